"""The graded posts, and the answers of the course's teacher."""

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
"""Posts without a label that every model must accept: a blank one, one without a word, and one
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
    """Linguistic phenomenon of each post; "" where the data does not state it."""
    teacher: Model
    """The course's float32 teacher."""
    teacher_encoded: Encoded
    """Its token ids of the posts and PROBES."""
    teacher_logits: NDArray[np.float32]
    """(posts, classes)"""
    bag: Mapping[str, Measurement]
    """Size and quality of the course's bag of n-grams on the posts; empty where there is none."""
    easier: Mapping[str, float]
    """Metrics of the course's teacher on the public posts minus those on these posts."""
    public: frozenset[bytes]
    """Digests of the public posts, with which calibration is allowed."""
    hidden: bool
    """Whether the posts are the hidden part."""
    pace: Pace
    """Pace of the course's teacher on the machine that prepared the class."""
    limits: RunLimits
    settings: Mapping[str, Any]
