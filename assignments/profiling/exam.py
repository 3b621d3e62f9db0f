"""What every submission is asked, and what each of its three parts is found to be worth."""

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
    """Made once per batch; the parts derive from it what they ask."""

    data_id: str
    baseline: dict[str, Measurement]
    seed: str
    """Random models are drawn from it: the instructor's secret, or `public`."""
    hidden: bool
    limits: RunLimits
    settings: Mapping[str, Any]
    template: str = ""
    """`report.md` as students get it, to tell their words from ours."""


@dataclass(frozen=True)
class PartFindings:
    """One part of a submission. A part that is missing or broken has checks that say so, and
    measurements that are worth 0: it never costs the other parts anything."""

    measurements: dict[str, Measurement]
    checks: list[Check]
    figures: list[Figure] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    log: str = ""
    mistakes: NDArray[np.uint8] | None = None
