"""Where the course's three trees are: in a checkout beside the engine, in a wheel inside it.

GRADER_COURSE names another folder that holds them: a course of one's own.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from grader.text import Text
from grader.text.errors import SpecError, UsageError

CACHE = "GRADER_CACHE"
"""Environment variable that names another folder for the cache."""

_ENGINE = Path(__file__).resolve().parents[1]


def assignments() -> Path:
    """Folder with one `lesson.toml` and `autograder.py` a lesson."""
    return _tree("assignments")


def reference_solutions() -> Path:
    """Folder with one solved template a lesson."""
    return _tree("reference_solutions")


def student_template() -> Path:
    """Folder with what `grader new` copies, one a lesson."""
    return _tree("student_template")


def new_course() -> Path:
    """Folder that `grader new-course` copies; it is the built-in one, whatever GRADER_COURSE is."""
    return _built_in("course_template")


def constraints() -> Path:
    """The versions of libraries that the figures were measured with."""
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
            Text(
                en=f"GRADER_COURSE is {own}, but there is no folder {name}/ in it.",
                ru=f"GRADER_COURSE указывает на {own}, но папки {name}/ там нет.",
            )
        )
    return _built_in(name)


def _built_in(name: str) -> Path:
    for parent in (_ENGINE / "_course", _ENGINE.parent):
        if (parent / name).exists():
            return parent / name
    raise SpecError(
        f"The course's {name} was not found beside or inside the package at {_ENGINE}; "
        "install the package again, or run it from a complete checkout."
    )
