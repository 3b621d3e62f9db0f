"""The sizes of the engine and of the starters, and imports between parts, stay within limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from structure import RUSSIAN, RUSSIAN_IN_CODE, Structure, measure, russian_lines

MODULES = 230
"""Python files of grader/; changed only on purpose."""
LINES = 39_300
"""Lines of these files; changed only on purpose."""
LEVELS = 11
"""Steps of the longest chain of imports between parts; changed only on purpose."""
STARTER_LINES = 2_000
"""Lines of code of the five starters together; changed only on purpose."""


@pytest.fixture(scope="module")
def structure() -> Structure:
    return measure()


def test_number_of_modules(structure: Structure) -> None:
    assert structure.modules <= MODULES


def test_number_of_lines(structure: Structure) -> None:
    assert structure.lines <= LINES


def test_lines_of_the_starters(structure: Structure) -> None:
    assert structure.starter_lines <= STARTER_LINES


def test_starters_have_no_copies_of_their_references(structure: Structure) -> None:
    """What both have in common, `make starters` writes."""
    assert structure.copied_starter_lines == 0


def test_no_translation_is_left_in_code() -> None:
    """English is written in Python, other languages in catalogs."""
    assert russian_lines() == {}


def test_cyrillic_letters_are_where_the_list_says(repository: Path) -> None:
    for name in RUSSIAN_IN_CODE:
        place = repository / name
        files = place.rglob("*.py") if place.is_dir() else [place]
        assert any(RUSSIAN.search(file.read_text(encoding="utf-8")) for file in files), name


def test_parts_depend_on_each_other_in_few_levels_without_a_circle(structure: Structure) -> None:
    assert structure.circles == []
    assert 0 < structure.levels <= LEVELS


def test_imports_point_down_through_the_layers(repository: Path) -> None:
    """The contract is in pyproject.toml, under tool.importlinter."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
