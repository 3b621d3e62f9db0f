"""Data sets that are folders of `.wav` recordings: where they are, reading and preparing them.

`prepare` remembers the source of a data set and the cache keys that it prepared, in
`<cache>/sources/<name>.json`; from then on `load` needs no source.
"""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data import cache
from grader.data.dataset import PARTS, Part, Progress, Request, damaged
from grader.data.speech import clips, features
from grader.data.speech.clips import CLIP_SAMPLES, ClipSet
from grader.lesson.grades import write_atomically
from grader.text import Text
from grader.text.errors import DataError

_CHUNK = 200

Fit = Callable[[NDArray[np.int16], str], NDArray[np.int16]]
"""Brings a recording (samples,) to (16000,) at 16 kHz; also gets its path in the data set."""


@dataclass(frozen=True)
class Recording:
    """One file of a data set."""

    path: str
    """Relative to the data set's folder, with forward slashes."""
    word: str
    speaker: str
    part: Part


@dataclass(frozen=True)
class Collection:
    """A folder of recordings, with the word, the speaker and the part of each."""

    name: str
    folder: Path
    keyword: str
    sample_rate: int
    recordings: tuple[Recording, ...]
    fit: Fit
    settings: str
    """What else the clips depend on; part of the cache key."""
    remedy: Text
    """How to get a file that is missing or damaged."""

    def of(self, part: Part) -> list[Recording]:
        """The recordings of one part, in the order of their paths.

        Raises DataError unless some have the keyword and some do not.
        """
        chosen = sorted((r for r in self.recordings if r.part == part), key=lambda r: r.path)
        positives = sum(r.word == self.keyword for r in chosen)
        if not positives or positives == len(chosen):
            others = len(chosen) - positives
            raise DataError(
                "The {part} part of {name} in {folder} has {positives} clips of “{keyword}” and "
                "{others} of other words, at least one of each is needed. {remedy}",
                part=part,
                name=self.name,
                folder=self.folder,
                positives=positives,
                keyword=self.keyword,
                others=others,
                remedy=self.remedy,
            )
        return chosen

    def clip(self, recording: Recording) -> NDArray[np.int16]:
        """A recording as (16000,) samples at 16 kHz. Raises DataError for a damaged file."""
        path = self.folder / recording.path
        try:
            clip = self.fit(read_wav(path, self.sample_rate), recording.path)
        except (ValueError, OSError) as error:
            raise damaged(path, error, self.remedy) from error
        assert clip.shape == (CLIP_SAMPLES,)
        return clip

    def cache_key(self, part: Part) -> str:
        """Changes with the folder and with any name, size or time of its recordings."""
        digest = hashlib.sha256(f"{self.folder.resolve()}\n{self.settings}\n".encode())
        for recording in self.of(part):
            stat = (self.folder / recording.path).stat()
            digest.update(f"{recording.path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:20]


class _Prepared(msgspec.Struct, frozen=True):
    """What `prepare` left for `load`."""

    source: str
    keys: dict[Part, str]


@dataclass(frozen=True)
class RecordedData:
    """A recorded data set: how it is found, and what was prepared from it."""

    name: str
    remedy: Text
    collect: Callable[[Path, Any, Progress | None], Collection]
    """Called with a source, settings of the data set or None, and a progress function."""
    download: Callable[[Progress | None], Path] | None = None
    """Returns the folder; None where the data set cannot be downloaded by this program."""

    def load(self, request: Request) -> ClipSet:
        """A part from a source, or from what `prepare` left.

        Raises DataError where neither is there, or a file is damaged.
        """
        part, source, progress = request.part, request.source, request.progress
        if source is None:
            known = self._known()
            source = Path(known.source)
            if request.settings is None and part in known.keys:
                # Without a look at the source, which is only needed to build the entry again.
                try:
                    return clips.read(cache.entry(self.name, part, known.keys[part]))
                except cache.Damaged:
                    pass
        return _open(self.collect(source, request.settings, progress), part, progress)

    def prepare(self, source: Path | None, progress: Progress | None) -> None:
        """Prepare all parts, from `source` or downloaded; `load` needs no source afterwards."""
        if source is None:
            source = self.download(progress) if self.download else self.source()
        collection = self.collect(source, None, progress)
        for part in PARTS:
            _open(collection, part, progress)
        prepared = _Prepared(
            str(collection.folder.resolve()), {part: collection.cache_key(part) for part in PARTS}
        )
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._memory, msgspec.json.encode(prepared))

    def is_prepared(self) -> bool:
        """True when `load` needs no source."""
        try:
            return bool(self._known())
        except DataError:
            return False

    def source(self) -> Path:
        """The folder that `prepare` remembered. Raises DataError where there is none."""
        return Path(self._known().source)

    @property
    def _memory(self) -> Path:
        return cache.sources_folder() / f"{self.name}.json"

    def _known(self) -> _Prepared:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=_Prepared)
        except (OSError, msgspec.MsgspecError) as error:
            raise DataError(
                "The data set {name} is not on this machine yet. {remedy}",
                name=self.name,
                remedy=self.remedy,
            ) from error


def read_wav(path: Path, sample_rate: int) -> NDArray[np.int16]:
    """Samples (n,) of a 16-bit mono file. Raises ValueError that says what is wrong."""
    try:
        with path.open("rb") as file, wave.open(file) as wav:
            channels, width, rate = wav.getnchannels(), wav.getsampwidth(), wav.getframerate()
            promised = wav.getnframes()
            raw = wav.readframes(promised)
    except EOFError as error:
        raise ValueError("its header is cut short") from error
    except wave.Error as error:
        raise ValueError(f"it is no PCM .wav file: {error}") from error
    if (channels, width, rate) != (1, 2, sample_rate):
        raise ValueError(
            f"expected 1 channel, 16 bits, {sample_rate} Hz, found {channels}, {8 * width}, {rate}"
        )
    if promised == 0:
        raise ValueError("it has no samples")
    if len(raw) != 2 * promised:
        raise ValueError(f"it has {len(raw) // 2} of the {promised} samples its header promises")
    return np.frombuffer(raw, "<i2").astype(np.int16)


def require_folder(folder: Path, name: str, remedy: Text) -> None:
    """Raise DataError unless `folder` is one."""
    if folder.is_dir():
        return
    what = Text("is a file") if folder.exists() else Text("does not exist")
    raise DataError(
        "{name} is read from a folder, but {folder} {what}. {remedy}",
        name=name,
        folder=folder,
        what=what,
        remedy=remedy,
    )


def _open(collection: Collection, part: Part, progress: Progress | None) -> ClipSet:
    """The clips of one part. Raises DataError for a damaged file."""

    def build(folder: Path) -> tuple[list[str], list[str]]:
        chosen = collection.of(part)
        mel, *audio = features.create(folder, len(chosen), audio=part != "hidden")
        reading = Text("reading {name}", name=collection.name)
        for start in range(0, len(chosen), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(chosen)))
            heard = np.stack([collection.clip(recording) for recording in chosen[rows]])
            mel[rows] = features.log_mel(heard)
            for array in audio:
                array[rows] = heard
            if progress:
                progress(rows.stop, len(chosen), reading)
        labels = np.array([r.word == collection.keyword for r in chosen], np.uint8)
        np.save(folder / "labels.npy", labels, allow_pickle=False)
        return [r.word for r in chosen], [r.speaker for r in chosen]

    key = collection.cache_key(part)
    return clips.open_or_build(collection.name, part, collection.keyword, key, build, progress)
