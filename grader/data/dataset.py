"""What a data set is: its three parts, and its entry in the registry of `grader.data`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args

from grader.text import Text, verbatim
from grader.text.errors import DataError, UsageError

Part = Literal["train", "validation", "hidden"]
PARTS: tuple[Part, ...] = get_args(Part)
PUBLIC_PARTS: tuple[Part, ...] = ("train", "validation")
"""Those that need no seed in built-in data."""

Progress = Callable[[int, int, Text], None]
"""Called with (done, total, what is being done)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """Which part of a data set to load, and from what."""

    part: Part
    source: Path | None = None
    """A folder (or an archive) to read from; None for what `prepare` left."""
    seed: str | None = None
    """The instructor's secret; decides the hidden part of built-in data."""
    settings: Any = None
    """An instance of the data set's settings, or None for the defaults."""
    progress: Progress | None = None


@dataclass(frozen=True)
class Dataset(Generic[T]):
    """One data set: what `grader data list` shows, and how it is prepared and loaded.

    To add a data set, write a module that ends with such an entry, and list the entry in
    `grader.data.DATASETS`.
    """

    name: str
    holds: type[T]
    """ClipSet, PairSet or PostSet: what one part is."""
    title: Text
    license: str
    size: Text
    address: str
    """Where it is from: a download, or the program that makes it."""
    load: Callable[[Request], T] = field(repr=False)
    """One part. Raises DataError when it is missing or damaged."""
    is_prepared: Callable[[], bool] = field(repr=False)
    """True when the public parts load at once and without a source."""
    prepare: Callable[[Path | None, Progress | None], object] | None = field(
        default=None, repr=False
    )
    """Download the data set or take it from a folder, so that `load` needs no source. None for
    built-in data, which `load` makes: they take no source, and a seed for the hidden part."""
    settings: type | None = None
    """Class of what a lesson may change."""
    keyword: str = ""
    """The word that a clip set asks for; empty for texts."""
    alias: str | None = None
    """Another name that is understood."""

    @property
    def needs_download(self) -> bool:
        return self.prepare is not None


def hidden_only(path: Path, name: str) -> dict[str, Any]:
    """A TOML file of what only hidden data are made of. Raises UsageError in students' packages."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            "The students' package has no hidden part of {name}; use the instructors' package.",
            name=name,
        ) from error


def needs_seed(name: str) -> UsageError:
    return UsageError(
        "The hidden part of {name} needs the instructor's seed, and none is given.", name=name
    )


def unknown(kind: Text, found: object, known: tuple[str, ...]) -> UsageError:
    """A name that does not exist, with the names that do."""
    return UsageError(
        "Unknown {kind} {found}; known are {known}.",
        kind=kind,
        found=repr(str(found)),
        known=", ".join(known),
    )


def damaged(path: Path, why: Text | Exception, remedy: Text) -> DataError:
    """A file of a data set that cannot be used."""
    if isinstance(why, Exception):
        said = (isinstance(why, OSError) and why.strerror) or str(why)
        why = verbatim(said)
    return DataError("{path} is damaged: {why}. {remedy}", path=path, why=why, remedy=remedy)


def empty(name: str, part: Part, folder: Path, remedy: Text) -> DataError:
    """A copy of a data set that lacks all of one part."""
    return DataError(
        "The {part} part of {name} in {folder} is empty. {remedy}",
        part=part,
        name=name,
        folder=folder,
        remedy=remedy,
    )
