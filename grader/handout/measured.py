"""Measured tables, which benchmarks write between `<!-- begin: NAME -->` and `<!-- end: NAME -->`.

The benchmark that writes such a table into a handout also writes it to `figures/measured.json`.
A later edit by hand is then a difference between the two.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from grader.text import ENGLISH, Lang, languages, numbers

KEPT = Path("figures") / "measured.json"
_MARKED = re.compile(r"<!-- begin: ([\w-]+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
_CELLS = re.compile(r"(?<!\\)\|")


class Cell(float):
    """A number of a table; `str` gives the table's own digits, `plain` those in code."""

    text: str
    plain: str

    def __new__(cls, plain: str, text: str) -> Cell:
        cell = super().__new__(cls, plain)
        cell.plain, cell.text = plain, text
        return cell

    def __str__(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else self.text


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured table in one language; the first cell of a row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    lang: Lang = ENGLISH
    """The language that its numbers are written in."""

    def cell(self, row: str, column: str | int) -> Cell | str:
        """A cell by the labels of its row and column, or by the column's index from 0.

        Raises KeyError naming the existing labels.
        """
        if isinstance(column, str) and self.header.count(column) != 1:
            raise KeyError(f"no single column {column!r} among {', '.join(self.header)}")
        found = [one for one in self.rows if one[0] == row]
        if len(found) != 1:
            raise KeyError(f"no single row {row!r} among {', '.join(one[0] for one in self.rows)}")
        place = self.header.index(column) if isinstance(column, str) else column
        return value(found[0][place], self.lang)

    def labels(self) -> list[str]:
        """The first column, without the marks of Markdown."""
        return [re.sub(r"[*`$]", "", row[0]) for row in self.rows]

    def numbers(self, column: int) -> list[float]:
        """A column by its index from 0, without per cent signs; NaN for what is no number."""
        cells = (value(row[column].rstrip("%"), self.lang) for row in self.rows)
        return [float(cell) if isinstance(cell, Cell) else float("nan") for cell in cells]


def value(text: str, lang: Lang = ENGLISH) -> Cell | str:
    """A cell's number, or its text."""
    plain = numbers.plain(text, lang)
    return text if plain is None else Cell(plain, text)


def tables(page: str, lang: Lang = ENGLISH) -> dict[str, Table]:
    """The measured tables of a page by their names."""
    return {name: _table(text, lang) for name, text in _MARKED.findall(page)}


def keep(page: Path, name: str) -> None:
    """Keep the table `name` of `page`, a `handout.{en,ru}.md`, as the benchmark's own record."""
    lang = next((lang for lang in languages() if page.name == f"handout.{lang}.md"), None)
    if lang is None:
        return
    kept = record(page.parent)
    kept.setdefault(name, {})[lang] = tables(page.read_text(encoding="utf-8"), lang)[name]
    path = page.parent / KEPT
    path.parent.mkdir(exist_ok=True)
    ordered = {name: dict(sorted(kept[name].items())) for name in sorted(kept)}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def _table(text: str, lang: Lang) -> Table:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    caption = " ".join(line for line in text.splitlines() if line and not line.startswith("|"))
    rows = [tuple(cell.strip() for cell in _CELLS.split(line.strip())[1:-1]) for line in lines]
    rows = [row for row in rows if not set("".join(row)) <= set("-: ")]
    return Table(rows[0] if rows else (), tuple(rows[1:]), caption, lang)


def record(folder: Path) -> dict[str, dict[str, Table]]:
    """The tables that a lesson's benchmarks kept, by name and language."""
    path = folder / KEPT
    if not path.is_file():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Table]])


def figures_file(folder: Path, name: str) -> Any:
    """What `figures/NAME.json` or `.toml` of a lesson holds. Raises KeyError for neither."""
    path = folder / "figures" / name
    if (found := path.with_suffix(".json")).is_file():
        return msgspec.json.decode(found.read_bytes())
    if (found := path.with_suffix(".toml")).is_file():
        return tomllib.loads(found.read_text(encoding="utf-8"))
    raise KeyError(f"no file figures/{name}.json or .toml")
