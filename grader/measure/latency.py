"""Latency from timings taken by the trusted side: medians and paired ratios, with intervals.

Intervals are distribution-free: order statistics around the median (Conover, Practical
Nonparametric Statistics, 3.2), so an outlier on a busy machine moves nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from grader.grades import Interval


@dataclass(frozen=True)
class Median:
    """A median and its 95% interval, in the unit of the samples."""

    value: float
    interval: Interval

    def scaled(self, factor: float) -> Interval:
        return self.interval[0] * factor, self.interval[1] * factor


def median(samples: np.ndarray) -> Median:
    """Median of (n,) samples. Raises ValueError when there are none or one is not finite."""
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    if len(ordered) == 0 or not np.isfinite(ordered).all():
        raise ValueError("a median needs at least one sample, all of them finite")
    reach = 1.96 * math.sqrt(len(ordered)) / 2
    low = max(0, math.floor((len(ordered) - 1) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil((len(ordered) - 1) / 2 + reach))
    return Median(float(np.median(ordered)), (float(ordered[low]), float(ordered[high])))


def speed_ratio(baseline: np.ndarray, artefact: np.ndarray) -> Median:
    """Median of baseline / artefact over interleaved pairs, both (n,) seconds > 0."""
    return median(np.asarray(baseline, dtype=np.float64) / np.asarray(artefact, dtype=np.float64))
