"""Where the course's files are: beside the engine in a checkout, inside it in a wheel.

GRADER_COURSE names another folder that holds the three trees: a course of one's own.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from grader.text.errors import SpecError, UsageError

CACHE = "GRADER_CACHE"
"""Environment variable that names another folder for the cache."""

_ENGINE = Path(__file__).resolve().parents[1]


def assignments() -> Path:
    """The folder with a subfolder for each lesson: `lesson.toml`, `autograder.py`, handouts."""
    return _tree("assignments")


def reference_solutions() -> Path:
    """The folder with a solved starter for each lesson."""
    return _tree("reference_solutions")


def student_template() -> Path:
    """The folder with the starter for each lesson, which `grader new` copies."""
    return _tree("student_template")


def new_course() -> Path:
    """The folder that `grader new-course` copies, whatever GRADER_COURSE is."""
    return _built_in("course_template")


def constraints() -> Path:
    """constraints.txt: the versions of libraries that the figures were measured with."""
    return _built_in("constraints.txt")


def cache_root() -> Path:
    """The folder for all that can be made again: GRADER_CACHE, or the user's cache folder."""
    if given := os.environ.get(CACHE):
        return Path(given).expanduser().absolute()
    return platformdirs.user_cache_path("small-fast-nets", appauthor=False)


def _tree(name: str) -> Path:
    own = os.environ.get("GRADER_COURSE")
    if own:
        if (Path(own) / name).is_dir():
            return Path(own) / name
        raise UsageError(
            "GRADER_COURSE is {own}, but there is no folder {name}/ in it.", own=own, name=name
        )
    return _built_in(name)


def _built_in(name: str) -> Path:
    for parent in (_ENGINE / "_course", _ENGINE.parent):
        if (parent / name).exists():
            return parent / name
    raise SpecError(
        "The course's {name} was not found beside or inside the package at {engine}; install the "
        "package again, or run it from a complete checkout.",
        name=name,
        engine=_ENGINE,
    )
