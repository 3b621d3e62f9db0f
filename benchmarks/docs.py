"""Put measured tables into Markdown, between markers that name the command's output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are aligned to the right."""
    rule = [" --- ", *[" ---: "] * (len(heading) - 1)]
    lines = [_row(heading), "|" + "|".join(rule) + "|", *map(_row, rows)]
    return "\n".join(lines)


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- begin: name -->` and `<!-- end: name -->`.

    Raises ValueError unless there is exactly one such pair.
    """
    old = page.read_text(encoding="utf-8")
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{page} needs exactly one pair of markers {begin} {end}")
    before, rest = old.split(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
