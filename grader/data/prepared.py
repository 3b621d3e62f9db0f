"""Recorded data sets: where their files are, and what was prepared from them.

`get` remembers the source of a data set and the cache keys that it prepared, in
`<cache>/sources/<name>.json`; from then on `load` needs no source. Archives are downloaded and
unpacked beside it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from functools import partial
from pathlib import Path

import msgspec

from grader.data import download, store
from grader.data.speech import fsdd, recordings, speech_commands
from grader.data.speech.clips import PARTS, ClipSet, Part, Progress
from grader.data.speech.fsdd import FsddSettings
from grader.data.speech.recordings import Collection
from grader.lesson.grades import write_atomically
from grader.text import Text
from grader.text.errors import DataError, UsageError


class Prepared(msgspec.Struct, frozen=True):
    """What `get` left for `load`."""

    source: str
    keys: dict[Part, str]


def names() -> tuple[str, ...]:
    """The recorded data sets."""
    return (*speech_commands.RELEASES, fsdd.NAME)


def open_part(
    name: str,
    part: Part,
    source: Path | None,
    settings: FsddSettings | None = None,
    progress: Progress | None = None,
) -> ClipSet:
    """A part from `source`, or from what `get` prepared.

    Raises DataError where neither is there, or a file is damaged.
    """
    if source is None:
        known = _recall(name)
        if known is None:
            raise _absent(name)
        if settings is None and part in known.keys:
            return _open_known(name, part, known, progress)
        source = Path(known.source)
    return _open(collect(name, source, settings, progress), part, progress)


def prepare(
    name: str, source: Path | None, progress: Progress | None = None
) -> dict[Part, ClipSet]:
    """All parts, from `source` or downloaded; `open_part` needs no source afterwards."""
    if source is None:
        source = _downloaded(name, progress)
    collection = collect(name, source, None, progress)
    parts = {part: _open(collection, part, progress) for part in PARTS}
    keys = {part: recordings.cache_key(collection, part) for part in PARTS}
    path = _memory(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.encode(Prepared(str(collection.folder.resolve()), keys)))
    return parts


def is_prepared(name: str) -> bool:
    """True when `open_part` needs no source."""
    return _recall(name) is not None


def source_of(name: str) -> Path:
    """The folder that `prepare` remembered. Raises DataError where it has not been prepared."""
    known = _recall(name)
    if known is None:
        raise _absent(name)
    return Path(known.source)


def collect(
    name: str, source: Path, settings: FsddSettings | None, progress: Progress | None
) -> Collection:
    """The recordings in a folder, or in an archive of Speech Commands (unpacked first)."""
    if name == fsdd.NAME:
        return fsdd.collect(source, settings)
    return speech_commands.collect(name, _unpacked(name, source, progress))


def _open(collection: Collection, part: Part, progress: Progress | None) -> ClipSet:
    return store.open_or_build(
        collection.name,
        part,
        collection.keyword,
        recordings.cache_key(collection, part),
        partial(recordings.build, collection=collection, part=part, progress=progress),
        progress,
    )


def _open_known(name: str, part: Part, known: Prepared, progress: Progress | None) -> ClipSet:
    """By its key, without looking at the source, which is needed only when the cache is damaged."""
    try:
        return store.read(store.entry(name, part, known.keys[part]))
    except store.Damaged:
        return _open(collect(name, Path(known.source), None, progress), part, progress)


def _downloaded(name: str, progress: Progress | None) -> Path:
    release = speech_commands.RELEASES.get(name)
    if release is None:
        known = _recall(name)
        if known is None:
            raise _absent(name)
        return Path(known.source)
    folder = _sources() / name
    with store.locked(folder, progress):
        if not folder.exists():
            archive = folder.with_name(f"{name}.tar.gz")
            if not archive.exists():
                download.fetch(release.address, archive, release.sha256, progress=progress)
            download.unpack(archive, folder, progress)
            archive.unlink()
    return folder


def _unpacked(name: str, source: Path, progress: Progress | None) -> Path:
    if not source.is_file():
        return source
    stat = source.stat()
    identity = f"{source.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    folder = _sources() / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    with store.locked(folder, progress):
        if not folder.exists():
            download.unpack(source, folder, progress)
    return folder


def _absent(name: str) -> DataError:
    how = fsdd.REMEDY if name == fsdd.NAME else speech_commands.remedy(name)
    return DataError(
        Text(
            en=f"The data set {name} is not on this machine yet. {how.en}",
            ru=f"Набора данных {name} на этом компьютере ещё нет. {how.ru}",
        )
    )


def _recall(name: str) -> Prepared | None:
    try:
        return msgspec.json.decode(_memory(name).read_bytes(), type=Prepared)
    except (OSError, msgspec.MsgspecError):
        return None


def _memory(name: str) -> Path:
    return _sources() / f"{name}.json"


def _sources() -> Path:
    return store.cache_root() / "sources"


# Prepared data that somebody hands over: copied into the cache, where loading checks it.


MANIFEST = "manifest.json"


def add(folder: Path) -> list[str]:
    """Copy the entries of `folder` that the cache does not have yet; their names.

    A file that was damaged on the way is found by its checksum when the entry is loaded, and the
    entry is then made anew. Raises UsageError when `folder` holds no prepared data.
    """
    found = [path for path in sorted(folder.glob("*")) if _prepared(path)]
    if not found:
        raise UsageError(
            Text(
                en=f"{folder} holds no prepared data; give the folder data/ of a release.",
                ru=f"В {folder} нет подготовленных данных; укажите папку data/ из выпуска.",
            )
        )
    cache = store.cache_root() / "data"
    return [path.name for path in found if _copy(path, cache / path.name)]


def _prepared(path: Path) -> bool:
    if path.is_symlink() or path.name.startswith("."):
        return False
    return (path / MANIFEST).is_file() or (path.is_file() and path.suffix == ".json")


def _copy(source: Path, target: Path) -> bool:
    with store.locked(target):
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
