"""What is asked, and what the course's teacher answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.lesson.grades import Measurement
from grader.lesson.spec import RunLimits
from grader.measure.latency import Pace
from grader.sandbox.runners.tokens import Encoded

from .submitted import Model

Labels = NDArray[np.int64]
PROBES = ("", "🙂", "и вот что я вам скажу: не знаю, что и сказать. " * 40)
"""Posts without a label that every model has to stand: a blank one, one without a word, and one
that is longer than any other."""


@dataclass(frozen=True)
class Exam:
    """The posts, and the course's teacher measured on them."""

    data_id: str
    data: str
    baseline: dict[str, Measurement]
    texts: tuple[str, ...]
    labels: Labels
    """(posts,) numbers of LABELS. They stay on the trusted side."""
    groups: tuple[str, ...]
    """The phenomenon of each post; "" where the data does not know it."""
    teacher: Model
    """The course's."""
    teacher_encoded: Encoded
    """The posts and PROBES in its numbers."""
    teacher_logits: NDArray[np.float32]
    """(posts, classes)"""
    bag: Mapping[str, Measurement]
    """Size and quality of the course's bag of n-grams on the posts; empty where there is none."""
    easier: Mapping[str, float]
    """By how much a metric of the course's teacher is higher on the public posts than on these."""
    public: frozenset[bytes]
    """Digests of the public posts, with which calibration is allowed."""
    hidden: bool
    """Whether the posts are those that a student must not have seen."""
    pace: Pace
    """Of the course's teacher, on the machine that prepared the class."""
    limits: RunLimits
    settings: Mapping[str, Any]
