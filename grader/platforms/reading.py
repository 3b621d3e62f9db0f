"""The catalogue that is in force: the built-in one, the course's own, and files named by a user."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from grader import course
from grader.errors import UsageError
from grader.platforms.files import Catalogue, read
from grader.platforms.model import Platform
from grader.text import Text

BUILT_IN = Path(__file__).parent / "catalogue.toml"


def catalogue(files: Sequence[Path] = ()) -> Catalogue:
    """All platforms; later files replace those of the same name. Raises DataError, UsageError."""
    found = read(BUILT_IN)
    for path in [*_of_course(), *files]:
        found = found.with_file(path)
    return found


def names(files: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of all platforms, in the catalogue's order: the smallest first."""
    return tuple(catalogue(files).platforms)


def load(name: str, files: Sequence[Path] = ()) -> Platform:
    """The platform `name`. Raises UsageError with the nearest name when there is none."""
    known = catalogue(files).platforms
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.4)
    listed = ", ".join(known)
    raise UsageError(
        Text(
            en=f"There is no platform {name!r}"
            + (f"; did you mean {near[0]}?" if near else ".")
            + f" Known: {listed}.",
            ru=f"Платформы {name!r} нет"
            + (f"; возможно, вы имели в виду {near[0]}?" if near else ".")
            + f" Известны: {listed}.",
        )
    )


def _of_course() -> list[Path]:
    return sorted((course.assignments().parent / "platforms").glob("*.toml"))
