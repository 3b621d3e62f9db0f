"""What every data set comes down to: clips of one second, their features and their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from grader.text import Text, ru_number

Part = Literal["train", "validation", "hidden"]
PARTS: tuple[Part, ...] = get_args(Part)

SAMPLE_RATE = 16_000
CLIP_SAMPLES = 16_000

WORDS = (
    *("bed", "bird", "cat", "dog", "down", "eight", "five", "four", "go", "happy", "house"),
    *("left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six"),
    *("stop", "three", "tree", "two", "up", "wow", "yes", "zero"),
)
"""The 30 words of Speech Commands v0.01."""

Progress = Callable[[int, int, Text], None]
"""Called with (done, total, what is being done)."""


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
        """What `grader data get` says of it."""
        return Text(
            en=f"{len(self):,} clips, {self.positives:,} of them '{self.keyword}'",
            ru=f"записей: {ru_number(len(self))}, из них «{self.keyword}»: "
            f"{ru_number(self.positives)}",
        )
