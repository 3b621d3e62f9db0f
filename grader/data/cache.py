"""The cache: prepared data in folders that are complete or absent, and checked.

    <cache>/data/<name>-<part>-<key>/manifest.json  sizes and sha256 of the other files
                                     features.npy   without labels
                                     labels.npy     clips.json   audio.npy (not for hidden)
    <cache>/tracks/...                              the same for long tracks
    <cache>/sources/...                             downloads and unpacked archives

An entry is built in a folder of another name and renamed when it is finished, under a lock,
so that a killed build leaves nothing that is used later, and two processes never build the same
entry. All files are hashed again at every load (a quarter of a second for 16,000 clips): a
damaged one is named in the log and the entry built again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data.dataset import Part, Progress
from grader.lesson import course
from grader.text import Text
from grader.text.errors import DataError, UsageError

SCHEMA = 1
MANIFEST = "manifest.json"
WAITING = Text("waiting for another process that prepares the same data")

_log = logging.getLogger(__name__)


class FileSum(msgspec.Struct, frozen=True):
    """Size and sha256 of a file."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileSum:
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


class Manifest(msgspec.Struct, frozen=True):
    """What `manifest.json` of an entry says."""

    schema: int
    name: str
    part: Part
    keyword: str
    fingerprint: str
    files: dict[str, FileSum]


@dataclass(frozen=True)
class Recipe:
    """What an entry is of, and how it is made."""

    name: str
    part: Part
    keyword: str
    build: Callable[[Path], None]
    """Writes all files into the folder that it gets."""
    fingerprint: Callable[[Mapping[str, FileSum]], str]


class Damaged(Exception):
    """A file of an entry is not what its manifest says; the message names it."""


def data_folder() -> Path:
    """Where prepared parts lie."""
    return course.cache_root() / "data"


def sources_folder() -> Path:
    """Where downloads and unpacked archives lie."""
    return course.cache_root() / "sources"


def entry(name: str, part: Part, key: str) -> Path:
    """Where a prepared part lies, or would lie."""
    return data_folder() / f"{name}-{part}-{key}"


def open_or_build(folder: Path, recipe: Recipe, progress: Progress | None = None) -> Manifest:
    """The manifest of an entry; the entry is built first where it is missing or damaged.

    Raises DataError when the cache cannot be written, and whatever `recipe.build` raises.
    """
    if folder.exists():
        try:
            return read(folder)
        except Damaged:
            pass  # read again under the lock, where no other process is at work on it
    with locked(folder, progress):
        if folder.exists():
            try:
                return read(folder)
            except Damaged as error:
                _log.warning("%s; preparing it again", error)
                shutil.rmtree(folder)
        for leftover in folder.parent.glob(f".{folder.name}.*.partial"):
            shutil.rmtree(leftover, ignore_errors=True)  # of killed builds, since we hold the lock
        partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
        partial.mkdir(mode=0o700)
        try:
            recipe.build(partial)
            sums = {path.name: FileSum.of(path) for path in sorted(partial.iterdir())}
            manifest = Manifest(
                SCHEMA, recipe.name, recipe.part, recipe.keyword, recipe.fingerprint(sums), sums
            )
            (partial / MANIFEST).write_bytes(msgspec.json.encode(manifest))
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return read(folder)


def read(folder: Path) -> Manifest:
    """The manifest, after every file was checked against it. Raises Damaged with a file's name."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Damaged(f"{path} is damaged ({error})") from error
    if manifest.schema != SCHEMA:
        raise Damaged(f"{path} is of schema {manifest.schema}, expected {SCHEMA}")

    def check(name: str) -> None:
        path, expected = folder / name, manifest.files[name]
        try:
            found = FileSum.of(path)
        except OSError as error:
            raise Damaged(f"{path} cannot be read ({error.strerror})") from error
        if found.bytes != expected.bytes:
            raise Damaged(f"{path} is damaged ({found.bytes} bytes, expected {expected.bytes})")
        if found != expected:
            raise Damaged(f"{path} is damaged (its sha256 has changed)")

    with ThreadPoolExecutor(4) as pool:  # hashing releases the interpreter's lock
        list(pool.map(check, manifest.files))
    return manifest


@contextmanager
def locked(path: Path, progress: Progress | None = None) -> Iterator[None]:
    """Keep other processes from working on `path`; makes the folder that it is in."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(timeout=0.5)
        except filelock.Timeout:
            if progress:
                progress(0, 1, WAITING)
            lock.acquire()
    except OSError as error:
        raise DataError(
            "The cache folder {parent} cannot be written ({strerror}); set {cache} to a folder "
            "that can.",
            parent=path.parent,
            strerror=error.strerror,
            cache=course.CACHE,
        ) from error
    try:
        yield
    finally:
        lock.release()


def create_arrays(folder: Path, **arrays: tuple[Any, tuple[int, ...]]) -> list[NDArray[Any]]:
    """Lay out and map a `.npy` file for each named (dtype, shape), for a builder to fill.

    Raises DataError when the disk is too full.
    """
    sizes = [np.dtype(dtype).itemsize * int(np.prod(shape)) for dtype, shape in arrays.values()]
    require_space(folder, sum(sizes))
    return [
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
        for name, (dtype, shape) in arrays.items()
    ]


def require_space(folder: Path, needed: int) -> None:
    """Raise DataError unless `needed` bytes and a little more are free.

    Writing to a mapped file on a full disk would kill the process instead of raising.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + 64 * 2**20:
        raise DataError(
            "{needed:,.0f} MB are needed in {parent} and {free:,.0f} MB are free; make room, or "
            "set {cache} to a folder on another disk.",
            needed=needed / 1000000.0,
            parent=folder.parent,
            free=free / 1000000.0,
            cache=course.CACHE,
        )


def add(folder: Path) -> list[str]:
    """Copy the entries of `folder` that the cache does not have yet; returns their names.

    A file that was damaged on the way is found by its checksum when the entry is loaded, and the
    entry is then made anew. Raises UsageError when `folder` holds no prepared data.
    """
    found = [
        path
        for path in sorted(folder.glob("[!.]*"))
        if not path.is_symlink()
        and ((path / MANIFEST).is_file() or (path.is_file() and path.suffix == ".json"))
    ]
    if not found:
        raise UsageError(
            "{folder} holds no prepared data; give the folder data/ of a release.", folder=folder
        )
    return [path.name for path in found if _copy(path, data_folder() / path.name)]


def _copy(source: Path, target: Path) -> bool:
    """Copy an entry, a folder or one file, unless it is there already."""
    with locked(target):
        if target.exists():
            return False
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            if source.is_dir():
                partial.mkdir(mode=0o700)
                for path in source.iterdir():
                    if path.is_file() and not path.is_symlink():
                        shutil.copyfile(path, partial / path.name)
            else:
                shutil.copyfile(source, partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            if partial.is_file():
                partial.unlink()
    return True


@dataclass(frozen=True)
class PinnedFile:
    """A path, and what the file there looked like when the labels were read.

    Data that were replaced in the middle of a batch would be graded against the old labels.
    """

    path: Path
    size: int
    """Bytes."""
    mtime_ns: int

    @classmethod
    def at(cls, path: Path) -> PinnedFile:
        status = path.stat()
        return cls(path, status.st_size, status.st_mtime_ns)

    def unchanged(self) -> Path:
        """The path. Raises DataError when something else lies there now."""
        try:
            same = PinnedFile.at(self.path) == self
        except OSError:
            same = False
        if not same:
            raise DataError(
                "{path} was replaced or removed while submissions were graded; run the same "
                "command again, and let nothing else write to the data cache.",
                path=self.path,
            )
        return self.path
