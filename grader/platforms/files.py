"""A file of platforms: read, checked, joined with others."""

from __future__ import annotations

from pathlib import Path

import msgspec

from grader.errors import DataError, UsageError
from grader.platforms.model import Platform, Source
from grader.text import Text


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one TOML file holds."""

    platform: tuple[Platform, ...]
    sources: dict[str, Source] = {}


class Catalogue(msgspec.Struct, frozen=True):
    """Platforms by name, in the order of their files, and the documents their figures cite."""

    platforms: dict[str, Platform]
    sources: dict[str, Source]

    def with_file(self, path: Path) -> Catalogue:
        """These and those of `path`; the same name replaces. Raises DataError or UsageError."""
        return read(path, self)


EMPTY = Catalogue({}, {})


def read(path: Path, before: Catalogue = EMPTY) -> Catalogue:
    """`before` and the platforms of the TOML file `path`, which may cite sources of `before`.

    Raises UsageError when the file cannot be opened, DataError when it says something unknown.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            Text(
                en=f"The file of platforms {path} cannot be read ({error.strerror}).",
                ru=f"Не удаётся прочитать файл платформ {path} ({error.strerror}).",
            )
        ) from error
    try:
        found = msgspec.toml.decode(raw, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, str(error)) from error
    joined = Catalogue(
        before.platforms | {one.name: one for one in found.platform},
        before.sources | found.sources,
    )
    _check(path, found, joined)
    return joined


def _check(path: Path, found: _File, joined: Catalogue) -> None:
    if len({one.name for one in found.platform}) < len(found.platform):
        raise _wrong(path, "two platforms have the same name")
    for one in found.platform:
        if (one.storage_bandwidth is not None) and one.memory.unified:
            raise _wrong(path, f"{one.name}: storage_bandwidth without memory.storage")
        for name, figure in one.figures().items():
            if figure.source not in joined.sources:
                raise _wrong(path, f"{one.name}: {name} cites an unknown source {figure.source!r}")
            if figure.basis != "stated" and not (figure.how.en and figure.how.ru):
                raise _wrong(path, f"{one.name}: {name} is {figure.basis}, but `how` is empty")


def _wrong(path: Path, why: str) -> DataError:
    return DataError(
        Text(
            en=f"The file of platforms {path} is wrong: {why}; docs/platforms.md lists the keys.",
            ru=f"В файле платформ {path} ошибка: {why}; ключи перечислены в docs/platforms.md.",
        )
    )
