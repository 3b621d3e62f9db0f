"""A search of what is about to leave for secrets, reference solutions and withheld files."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.data import seeds
from grader.text import Text
from grader.text.errors import Fault

SHORTEST_SECRET = 8
"""Characters; a shorter seed is found by guessing, and in any text."""
_TRIVIAL = 32
"""Bytes; a smaller file, such as an empty `__init__.py`, is no solution."""


@dataclass(frozen=True)
class Forbidden:
    """What must not be found: files by their sha256, secrets as they are written."""

    files: dict[str, Path]
    secrets: tuple[bytes, ...]


def forbidden(private: Iterable[Path], public: Iterable[Path]) -> Forbidden:
    """All of `private` except what lies among the public files too, and this machine's seeds."""
    known = {_digest(path.read_bytes()) for path in public}
    files = {
        digest: path
        for path in private
        if path.stat().st_size >= _TRIVIAL and (digest := _digest(path.read_bytes())) not in known
    }
    path = seeds.seed_file()
    kept = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    given = os.environ.get(seeds.ENVIRONMENT, "")
    secrets = tuple(seed.encode() for seed in (given, kept) if len(seed) >= SHORTEST_SECRET)
    return Forbidden(files, secrets)


def audit(folder: Path, found: Forbidden) -> int:
    """Search every file under `folder`, and inside its archives; how many were read.

    Raises Fault with the file's name and what is in it.
    """
    count = 0
    for file in filter(Path.is_file, sorted(folder.rglob("*"))):
        for name, raw in _unpacked(file.relative_to(folder).as_posix(), file.read_bytes()):
            count += 1
            if (path := found.files.get(_digest(raw))) is not None:
                raise _leak(name, Text("the private file {path}", path=path))
            if any(secret in raw for secret in found.secrets):
                raise _leak(name, Text("the seed of the hidden data"))
    return count


def _unpacked(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """A file as (name, bytes), and where it is a zip or a wheel the files inside it."""
    yield name, raw
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield from _unpacked(f"{name}!{entry.filename}", archive.read(entry))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _leak(name: str, what: Text) -> Fault:
    return Fault("Nothing was released: {name} would have held {what}.", name=name, what=what)
