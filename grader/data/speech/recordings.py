"""Data sets that are folders of `.wav` recordings: reading, fitting to a second, preparing."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.data import store
from grader.data.speech.clips import CLIP_SAMPLES, Part, Progress
from grader.data.speech.features import log_mel
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
    """A folder of recordings that was understood."""

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
                Text(
                    en=f"The {part} part of {self.name} in {self.folder} has {positives} clips of "
                    f"“{self.keyword}” and {others} of other words, at least one of each is "
                    f"needed. {self.remedy.en}",
                    ru=f"В части {part} набора {self.name} в {self.folder} клипов "
                    f"«{self.keyword}»: {positives}, клипов других слов: {others}, а нужны и те "
                    f"и другие. {self.remedy.ru}",
                )
            )
        return chosen


def cache_key(collection: Collection, part: Part) -> str:
    """Changes with the folder and with any name, size or time of its recordings."""
    digest = hashlib.sha256(f"{collection.folder.resolve()}\n{collection.settings}\n".encode())
    for recording in collection.of(part):
        stat = (collection.folder / recording.path).stat()
        digest.update(f"{recording.path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:20]


def build(
    folder: Path, collection: Collection, part: Part, progress: Progress | None = None
) -> tuple[list[str], list[str]]:
    """Write features.npy and labels.npy, and audio.npy unless the part is hidden.

    Returns the word and the speaker of each clip. Raises DataError for a damaged file.
    """
    chosen = collection.of(part)
    keeps_audio = part != "hidden"
    store.create(folder, len(chosen), audio=keeps_audio)
    features = np.load(folder / "features.npy", mmap_mode="r+", allow_pickle=False)
    audio = (
        np.load(folder / "audio.npy", mmap_mode="r+", allow_pickle=False) if keeps_audio else None
    )
    reading = Text(en=f"reading {collection.name}", ru=f"чтение {collection.name}")
    for start in range(0, len(chosen), _CHUNK):
        rows = slice(start, min(start + _CHUNK, len(chosen)))
        clips = np.stack([_clip(collection, recording) for recording in chosen[rows]])
        features[rows] = log_mel(clips)
        if audio is not None:
            audio[rows] = clips
        if progress:
            progress(rows.stop, len(chosen), reading)
    labels = np.array([r.word == collection.keyword for r in chosen], np.uint8)
    np.save(folder / "labels.npy", labels, allow_pickle=False)
    return [r.word for r in chosen], [r.speaker for r in chosen]


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
    """Raises DataError unless `folder` is one."""
    if folder.is_dir():
        return
    en, ru = ("is a file", "это файл") if folder.exists() else ("does not exist", "не существует")
    raise DataError(
        Text(
            en=f"{name} is read from a folder, but {folder} {en}. {remedy.en}",
            ru=f"{name} читается из папки, а {folder} — {ru}. {remedy.ru}",
        )
    )


def _clip(collection: Collection, recording: Recording) -> NDArray[np.int16]:
    path = collection.folder / recording.path
    try:
        clip = collection.fit(read_wav(path, collection.sample_rate), recording.path)
    except (ValueError, OSError) as error:
        what = (error.strerror or error) if isinstance(error, OSError) else error
        raise DataError(
            Text(
                en=f"{path} is damaged: {what}. {collection.remedy.en}",
                ru=f"Файл {path} повреждён: {what}. {collection.remedy.ru}",
            )
        ) from error
    assert clip.shape == (CLIP_SAMPLES,)
    return clip
