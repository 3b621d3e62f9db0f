"""Keeps the catalogs of translations in step with the code: `make translations`.

The English sentences of the engine and of each lesson are collected from its Python and TOML files.
Each catalog, `locale/<language>/LC_MESSAGES/<name>.po`, gets those that are new, without a
translation, and loses those that the code no longer has; then it is compiled to a `.mo` file beside
it. With `--check` nothing is written: what is missing, fuzzy or stale is listed.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import grader
from grader.lesson import course
from grader.lesson.spec import LessonSpec
from grader.measure.hardware import platforms
from grader.text import ENGLISH, Text, from_toml

ERRORS = ("UsageError", "Rejected", "DataError", "Fault", "SpecError")
KEYWORDS = {name: None for name in ("Text", *ERRORS)} | {"plural": (1, 2)}
"""The calls whose first arguments are English sentences."""
CLICK = "click"
"""Stands in a catalog for the place of a sentence that click itself shows."""


@dataclass(frozen=True)
class Source:
    """The engine or a lesson: where its sentences stand, and its catalogs' name and folder."""

    name: str
    folder: Path

    @property
    def locale(self) -> Path:
        return self.folder / "locale"

    def catalog(self, lang: str) -> Path:
        return self.locale / lang / "LC_MESSAGES" / f"{self.name}.po"

    @property
    def languages(self) -> list[str]:
        return sorted(path.parents[1].name for path in self.locale.glob(f"*/*/{self.name}.po"))


def sources() -> list[Source]:
    """The engine, and each lesson of the course."""
    lessons = sorted(path.parent for path in course.assignments().glob("*/lesson.toml"))
    return [
        Source("grader", Path(grader.__file__).parent),
        *(Source(folder.name, folder) for folder in lessons),
    ]
