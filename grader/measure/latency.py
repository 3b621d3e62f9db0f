"""Latency from timings taken by the trusted side: medians and paired ratios, with intervals.

Intervals are distribution-free: order statistics around the median (Conover, Practical
Nonparametric Statistics, 3.2), which outliers on a busy machine do not change.

`run_calmly` repeats timings on a disturbed machine. Other programs that use shared caches and
memory slow a large model down more than a small one, for seconds at a time and from other cores
too, so that a ratio changes although CPU time is measured. The baseline of a class is one model on
the same posts for everybody: its time when the class was prepared shows whether it is disturbed
now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from grader.lesson.grades import Interval, Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners.sequences import (
    BASELINE,
    SequenceJob,
    SequenceRun,
    Timing,
    run_sequences,
)

QUANTILE = 0.25
"""Quantile over rounds that stands for the time of one piece: disturbances only ever add time."""
RESAMPLES = 1000
TOLERATED = 1.05
"""Slowest pace of the baseline that counts as calm, relative to the stored one; runs on a calm
machine stay within 3% of each other."""
PREPARING = 3
"""Runs of the baseline alone, of which the fastest counts."""


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


def typical_seconds(seconds: np.ndarray, posts: int) -> float:
    """Seconds per post, from (rounds, pieces) seconds of the same posts in every round: the lower
    quartile over rounds of each piece, summed over the pieces."""
    return float(np.quantile(seconds, QUANTILE, axis=0).sum()) / posts


def sequence_ratio(baseline: np.ndarray, artefact: np.ndarray) -> Median:
    """Time of the baseline over that of the artefact on the same posts, from (rounds, pieces)
    seconds of each, taken in turn; the pieces may be cut differently.

    The 95% interval is a bootstrap over rounds, the same rounds for both (Efron and Tibshirani,
    An Introduction to the Bootstrap, 13.3): it covers the ratios that other rounds of this run
    would have given.
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


@dataclass(frozen=True)
class Pace:
    """Seconds per post that the baseline takes on a calm machine, at batch 1 and in batches."""

    single: float
    batched: float


def pace_of_baseline(job: SequenceJob, limits: RunLimits) -> Pace:
    """The pace of `job`'s baseline, run alone. Raises what `run_sequences` raises."""
    alone = replace(job, models={}, ids={}, pad_ids={}, answers=False)
    found = [_pace(run_sequences(alone, limits)) for _ in range(PREPARING)]
    return Pace(min(one.single for one in found), min(one.batched for one in found))


def run_calmly(job: SequenceJob, limits: RunLimits, calm: Pace, attempts: int) -> SequenceRun:
    """`run_sequences`, with timings repeated while its baseline is slower than `calm`; for each
    batch size the calmest timing counts.

    A machine that is always slower than the one on which the class was prepared makes all
    `attempts`. Raises what `run_sequences` raises.
    """
    run = run_sequences(job, limits)
    again = replace(job, answers=False, judged=run.logits)
    for _ in range(attempts - 1):
        no_time = 2 * run.seconds > limits.wall_seconds
        now = _pace(run)
        if no_time or max(now.single / calm.single, now.batched / calm.batched) <= TOLERATED:
            break
        try:
            other = run_sequences(again, limits)
        except Stopped as error:
            if error.status is Status.TIMED_OUT:  # the first run is still a valid measurement
                break
            raise
        run = replace(
            run,
            single=_calmer(run.single, other.single),
            batched=_calmer(run.batched, other.batched),
            seconds=run.seconds + other.seconds,
        )
    return run


def _pace(run: SequenceRun) -> Pace:
    return Pace(_seconds(run.single), _seconds(run.batched))


def _calmer(one: Mapping[str, Timing], other: Mapping[str, Timing]) -> Mapping[str, Timing]:
    return one if _seconds(one) <= _seconds(other) else other


def _seconds(timings: Mapping[str, Timing]) -> float:
    baseline = timings.get(BASELINE)
    return math.nan if baseline is None else typical_seconds(baseline.seconds, baseline.posts)
