"""The graded sound, and its conversion to numbers for a model and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grader.lesson.grades import Measurement
from grader.lesson.spec import RunLimits


@dataclass(frozen=True)
class Exam:
    """The sound for every submission, and the baseline's answers to it."""

    data_id: str
    data: str
    baseline: dict[str, Measurement]
    audio: Path
    """.npy, int16 (seconds, 16000): the long stream. It holds no label."""
    labels: np.ndarray
    """(seconds,) 1 for the keyword."""
    spans: np.ndarray
    """(keywords, 2) samples of the long stream."""
    sources: tuple[str, ...] | None
    """The recording of each second, where some recordings occur more than once."""
    baseline_scores: np.ndarray
    """(seconds,) log-odds of the offline baseline for each second alone."""
    tracks: tuple[tuple[int, ...], ...]
    """Short tracks as numbers of seconds."""
    clips: tuple[int, ...]
    demo: np.ndarray
    """int16 (12, 16000) from the public data."""
    demo_spans: np.ndarray
    keyword: str
    gate_factor: float
    limits: RunLimits
    settings: dict[str, Any]
    seed: int
    hidden: bool


def sound(exam: Exam, track: tuple[int, ...]) -> np.ndarray:
    """A track as float32 samples in -1..1, shape (n,)."""
    stream = np.load(exam.audio, mmap_mode="r", allow_pickle=False)
    return floats(stream[list(track)]).reshape(-1)


def floats(audio: np.ndarray) -> np.ndarray:
    """int16 samples as float32 in -1..1, of the same shape."""
    return audio.astype(np.float32) / np.float32(32768)


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Finite log-odds of probabilities, in the same order: 0 and 1 become the nearest values that
    float32 distinguishes. A check reports values outside [0, 1]."""
    wide = np.asarray(probabilities, np.float64)
    inside = np.clip(wide, 1e-40, 1 - 2.0**-25)
    return np.log(inside) - np.log1p(-inside) + (wide - np.clip(wide, 0.0, 1.0))
