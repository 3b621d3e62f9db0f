"""Clips of one second: what a data set of speech comes down to, and how its cache entry looks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data import cache
from grader.data.dataset import Part, Progress
from grader.text import Text

SAMPLE_RATE = 16_000
CLIP_SAMPLES = 16_000

Build = Callable[[Path], "tuple[list[str], list[str]]"]
"""Writes features.npy, labels.npy and perhaps audio.npy; returns words and speakers."""


@dataclass(frozen=True, eq=False)
class ClipSet:
    """One part of one data set; the arrays are read-only views of files in the cache."""

    name: str
    part: Part
    keyword: str
    features: NDArray[np.float32] = field(repr=False)
    """Log-mel, shape (clips, 40, 101), see `grader.data.speech.features`."""
    features_path: Path
    """The `.npy` file behind `features`; it holds no label."""
    labels: NDArray[np.uint8] = field(repr=False)
    """Shape (clips,): 1 where the keyword is spoken."""
    words: list[str] = field(repr=False)
    speakers: list[str] = field(repr=False)
    """The voice of each clip; no voice is in two parts."""
    audio: NDArray[np.int16] | None = field(repr=False)
    """Shape (clips, 16000) at 16 kHz; None for the hidden part."""
    fingerprint: str
    """sha256 over features and labels, in hexadecimal."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def positives(self) -> int:
        return int(self.labels.sum())

    @property
    def negatives(self) -> int:
        return len(self) - self.positives

    @property
    def summary(self) -> Text:
        """Sentence that `grader data get` prints."""
        return Text(
            "{self_count:,} clips, {positives:,} of them '{keyword}'",
            self_count=len(self),
            positives=self.positives,
            keyword=self.keyword,
        )


class _Names(msgspec.Struct, frozen=True):
    """What `clips.json` says of each clip."""

    words: list[str]
    speakers: list[str]


def open_or_build(
    name: str, part: Part, keyword: str, key: str, build: Build, progress: Progress | None = None
) -> ClipSet:
    """The clips from the cache; built first where they are missing or damaged.

    Raises DataError when the cache cannot be written, and whatever `build` raises.
    """

    def written(folder: Path) -> None:
        names = _Names(*build(folder))
        (folder / "clips.json").write_bytes(msgspec.json.encode(names))

    folder = cache.entry(name, part, key)
    recipe = cache.Recipe(
        name,
        part,
        keyword,
        written,
        fingerprint=lambda sums: hashlib.sha256(
            (sums["features.npy"].sha256 + sums["labels.npy"].sha256).encode()
        ).hexdigest(),
    )
    return _mapped(folder, cache.open_or_build(folder, recipe, progress))


def read(folder: Path) -> ClipSet:
    """The clips of an entry, checked and mapped. Raises `cache.Damaged` with the file's name."""
    return _mapped(folder, cache.read(folder))


def _mapped(folder: Path, manifest: cache.Manifest) -> ClipSet:
    def mapped(name: str) -> Any:
        return np.load(folder / name, mmap_mode="r", allow_pickle=False)

    names = msgspec.json.decode((folder / "clips.json").read_bytes(), type=_Names)
    return ClipSet(
        name=manifest.name,
        part=manifest.part,
        keyword=manifest.keyword,
        features=mapped("features.npy"),
        features_path=folder / "features.npy",
        labels=mapped("labels.npy"),
        words=names.words,
        speakers=names.speakers,
        audio=mapped("audio.npy") if "audio.npy" in manifest.files else None,
        fingerprint=manifest.fingerprint,
    )
