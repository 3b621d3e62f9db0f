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


QUANTILE = 0.25
"""Of the rounds, for the time of one piece: what disturbs a measurement only ever adds to it."""
RESAMPLES = 1000


def typical_seconds(seconds: np.ndarray, posts: int) -> float:
    """Seconds a post, from (rounds, pieces) seconds of the same posts in every round: the lower
    quartile over rounds of each piece, summed over the pieces."""
    return float(np.quantile(seconds, QUANTILE, axis=0).sum()) / posts


def sequence_ratio(baseline: np.ndarray, artefact: np.ndarray) -> Median:
    """Time of the baseline over that of the artefact on the same posts, from (rounds, pieces)
    seconds of each, taken in turn; the pieces may be cut differently.

    The 95% interval is a bootstrap over rounds, the same rounds for both (Efron and Tibshirani,
    An Introduction to the Bootstrap, 13.3): what other rounds of this run would have given.
    """
    value = typical_seconds(baseline, 1) / typical_seconds(artefact, 1)
    if min(len(baseline), len(artefact)) < 2:
        return Median(value, (value, value))
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, min(len(baseline), len(artefact)), (RESAMPLES, len(artefact)))
    ratios = _typical(baseline, drawn) / _typical(artefact, drawn)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Median(value, (min(float(low), value), max(float(high), value)))


def _typical(seconds: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(resamples,) sums over pieces of the lower quartiles of resampled rounds."""
    return np.quantile(seconds[drawn], QUANTILE, axis=1).sum(axis=1)
