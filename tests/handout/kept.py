"""Measured tables of a lesson's pages that differ from those that its benchmarks kept."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from grader.handout import measured
from grader.handout.measured import Table
from grader.text import languages


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


def _difference(shown: Table | None, kept: Table | None) -> str:
    if shown is None:
        return "is kept, but not on the page"
    if kept is None:
        return "is on the page, but no benchmark kept it"
    return "" if shown == kept else "differs from what the benchmark kept"
