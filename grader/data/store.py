"""The cache: prepared data sets in folders that are complete or absent, and checked.

    <cache>/data/<name>-<part>-<key>/manifest.json  sizes and sha256 of the other files
                                     features.npy   no label in it
                                     labels.npy     clips.json   audio.npy (not for hidden)

An entry is built in a folder of another name and renamed when it is finished, under a lock,
so a killed build leaves nothing that is later trusted and two builds never meet. All files
are hashed again at every load (a quarter of a second for 16,000 clips): a damaged one is
named in the log and the entry built again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import msgspec
import numpy as np
import platformdirs

from grader.data.speech.clips import CLIP_SAMPLES, ClipSet, Part, Progress
from grader.data.speech.features import BANDS, FRAMES
from grader.text import Text
from grader.text.errors import DataError

ENVIRONMENT = "GRADER_CACHE"
SCHEMA = 1
WAITING = Text(
    en="waiting for another process that prepares the same data",
    ru="ожидание другого процесса, который готовит те же данные",
)

_log = logging.getLogger(__name__)

Build = Callable[[Path], "tuple[list[str], list[str]]"]
"""Writes features.npy, labels.npy and perhaps audio.npy; returns words and speakers."""


class FileSum(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    schema: int
    name: str
    part: Part
    keyword: str
    fingerprint: str
    files: dict[str, FileSum]


class Clips(msgspec.Struct, frozen=True):
    words: list[str]
    speakers: list[str]


class Damaged(Exception):
    """A file of a cache entry is not what its manifest says; the message names it."""


def cache_root() -> Path:
    """GRADER_CACHE, or the user's cache folder of this platform."""
    if given := os.environ.get(ENVIRONMENT):
        return Path(given).expanduser().absolute()
    return platformdirs.user_cache_path("small-fast-nets", appauthor=False)


def entry(name: str, part: Part, key: str) -> Path:
    """Where a prepared part lies, or would lie."""
    return cache_root() / "data" / f"{name}-{part}-{key}"


def open_or_build(
    name: str, part: Part, keyword: str, key: str, build: Build, progress: Progress | None = None
) -> ClipSet:
    """The part from the cache; built first where it is missing or damaged.

    Raises DataError when the cache cannot be written, and whatever `build` raises.
    """
    folder = entry(name, part, key)
    if folder.exists():
        try:
            return read(folder)
        except Damaged:
            pass  # looked at again under the lock, where no other process is at work on it
    with locked(folder, progress):
        if folder.exists():
            try:
                return read(folder)
            except Damaged as damaged:
                _log.warning("%s; preparing it again", damaged)
                shutil.rmtree(folder)
        _clear_leftovers(folder)
        _write(folder, name, part, keyword, build)
    return read(folder)


def read(folder: Path) -> ClipSet:
    """Check every file of an entry and map it. Raises Damaged with the file's name."""
    manifest = _manifest(folder)
    _verify(folder, manifest)
    clips = msgspec.json.decode((folder / "clips.json").read_bytes(), type=Clips)

    def mapped(name: str) -> Any:
        return np.load(folder / name, mmap_mode="r", allow_pickle=False)

    return ClipSet(
        name=manifest.name,
        part=manifest.part,
        keyword=manifest.keyword,
        features=mapped("features.npy"),
        features_path=folder / "features.npy",
        labels=mapped("labels.npy"),
        words=clips.words,
        speakers=clips.speakers,
        audio=mapped("audio.npy") if "audio.npy" in manifest.files else None,
        fingerprint=manifest.fingerprint,
    )


@contextmanager
def locked(path: Path, progress: Progress | None = None) -> Iterator[None]:
    """Only one process at a time works on `path`; makes the folder that it is in."""
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
            Text(
                en=f"The cache folder {path.parent} cannot be written ({error.strerror}); set "
                f"{ENVIRONMENT} to a folder that can.",
                ru=f"В папку кэша {path.parent} нельзя писать ({error.strerror}); укажите в "
                f"{ENVIRONMENT} папку, доступную для записи.",
            )
        ) from error
    try:
        yield
    finally:
        lock.release()


def create(folder: Path, clips: int, *, audio: bool) -> None:
    """Lay out features.npy and audio.npy for a builder to fill.

    Raises DataError when the disk is too full: writing to a mapped file would then kill the
    process instead of raising.
    """
    sizes = {"features.npy": (np.float32, (clips, BANDS, FRAMES))}
    if audio:
        sizes["audio.npy"] = (np.int16, (clips, CLIP_SAMPLES))  # type: ignore[assignment]
    needed = sum(np.dtype(dtype).itemsize * int(np.prod(shape)) for dtype, shape in sizes.values())
    require_space(folder, needed)
    for name, (dtype, shape) in sizes.items():
        np.lib.format.open_memmap(folder / name, "w+", dtype, shape)


def require_space(folder: Path, needed: int) -> None:
    """Raises DataError unless `needed` bytes and a little more are free."""
    free = shutil.disk_usage(folder).free
    if free < needed + 64 * 2**20:
        raise DataError(
            Text(
                en=f"{needed / 1e6:,.0f} MB are needed in {folder.parent} and {free / 1e6:,.0f} MB "
                f"are free; make room, or set {ENVIRONMENT} to a folder on another disk.",
                ru=f"В {folder.parent} нужно {needed / 1e6:,.0f} МБ, а свободно "
                f"{free / 1e6:,.0f} МБ; освободите место или укажите в {ENVIRONMENT} папку на "
                "другом диске.",
            )
        )


def _write(folder: Path, name: str, part: Part, keyword: str, build: Build) -> None:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir(mode=0o700)
    try:
        words, speakers = build(partial)
        (partial / "clips.json").write_bytes(msgspec.json.encode(Clips(words, speakers)))
        sums = {path.name: _sum(path) for path in sorted(partial.iterdir())}
        both = sums["features.npy"].sha256 + sums["labels.npy"].sha256
        fingerprint = hashlib.sha256(both.encode()).hexdigest()
        manifest = Manifest(SCHEMA, name, part, keyword, fingerprint, sums)
        (partial / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _manifest(folder: Path) -> Manifest:
    path = folder / "manifest.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Damaged(f"{path} is damaged ({error})") from error
    if manifest.schema != SCHEMA:
        raise Damaged(f"{path} is of schema {manifest.schema}, expected {SCHEMA}")
    return manifest


def _verify(folder: Path, manifest: Manifest) -> None:
    def check(name: str) -> None:
        path, expected = folder / name, manifest.files[name]
        try:
            found = _sum(path)
        except OSError as error:
            raise Damaged(f"{path} cannot be read ({error.strerror})") from error
        if found.bytes != expected.bytes:
            raise Damaged(f"{path} is damaged ({found.bytes} bytes, expected {expected.bytes})")
        if found != expected:
            raise Damaged(f"{path} is damaged (its sha256 has changed)")

    with ThreadPoolExecutor(4) as pool:  # hashing releases the interpreter's lock
        list(pool.map(check, manifest.files))


def _sum(path: Path) -> FileSum:
    with path.open("rb") as file:
        return FileSum(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _clear_leftovers(folder: Path) -> None:
    """What killed builds of this entry left; we hold the lock, so none of them is alive."""
    for leftover in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


# A file that has to stay as it was: data that was replaced in the middle of a batch would be
# graded against the labels of the old.


@dataclass(frozen=True)
class PinnedFile:
    """A path, and what the file there looked like when the labels were read."""

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
                Text(
                    en=f"{self.path} was replaced or removed while submissions were graded; run "
                    "the same command again, and let nothing else write to the data cache.",
                    ru=f"Файл {self.path} был заменён или удалён во время проверки работ; "
                    "запустите ту же команду ещё раз и не меняйте кэш данных во время проверки.",
                )
            )
        return self.path
