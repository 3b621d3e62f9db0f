"""The exam that every submission takes, and the findings of its three parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.lesson.grades import Check, Figure, Layer, Measurement
from grader.lesson.spec import RunLimits


@dataclass(frozen=True)
class Exam:
    """Settings of one batch, from which the three parts derive their questions."""

    data_id: str
    baseline: dict[str, Measurement]
    seed: str
    """Seed of the random models: the instructor's secret, or `public`."""
    hidden: bool
    limits: RunLimits
    settings: Mapping[str, Any]
    template: str = ""
    """`report.md` of the starter, to recognize copied text."""


@dataclass(frozen=True)
class PartFindings:
    """Findings of one part. A part that is missing or broken has failed checks and measurements of
    0, and does not change the other parts."""

    measurements: dict[str, Measurement]
    checks: list[Check]
    figures: list[Figure] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    log: str = ""
    mistakes: NDArray[np.uint8] | None = None
