"""Measured tables of a lesson's pages that differ from those that its benchmarks kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from grader.handout import measured
from grader.handout.measured import Table
from grader.text import Lang, languages


class Difference(NamedTuple):
    page: Path
    table: str
    reason: str


def differences(folder: Path) -> list[Difference]:
    kept, found = measured.record(folder), []
    for lang in languages():
        page = folder / f"handout.{lang}.md"
        if not page.is_file():
            continue
        shown = measured.tables(page.read_text(encoding="utf-8"), lang)
        for name in sorted(shown.keys() | {one for one in kept if lang in kept[one]}):
            if reason := _difference(shown.get(name), kept.get(name, {}).get(lang)):
                found.append(Difference(page, name, reason))
    return found


def figures(folder: Path, lang: Lang) -> dict[str, list[list[str]]]:
    """The numbers in each cell of the tables of a lesson's page, as Python writes them."""
    shown = measured.tables((folder / f"handout.{lang}.md").read_text(encoding="utf-8"), lang)
    group, point = ("[\u00a0 ]", ",") if lang == "ru" else (",", ".")
    number = re.compile(rf"\d+(?:{group}\d{{3}}(?!\d))*(?:{re.escape(point)}\d+)?")

    def plain(cell: str) -> list[str]:
        return [re.sub(group, "", one).replace(point, ".") for one in number.findall(cell)]

    return {
        name: [[digits for cell in row[1:] for digits in plain(cell)] for row in table.rows]
        for name, table in shown.items()
    }


def _difference(shown: Table | None, kept: Table | None) -> str:
    if shown is None:
        return "is kept, but not on the page"
    if kept is None:
        return "is on the page, but no benchmark kept it"
    return "" if shown == kept else "differs from what the benchmark kept"
