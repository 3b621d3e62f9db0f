"""Timing again where the machine was not calm.

What other programs do to shared caches and to memory slows a large model down more than a small
one, for seconds at a time and on other cores too, so that a ratio moves although the core's own
account is kept. The rival of a class is one model on the same posts for everybody: how long it took
when the class was prepared says whether it was disturbed now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from grader.grades import Status
from grader.lesson import RunLimits
from grader.measure.latency import typical_seconds
from grader.sandbox.ending import Stopped
from grader.sandbox.sequences import RIVAL, SequenceJob, SequenceRun, Timing, run_sequences

TOLERATED = 1.05
"""Of the rival's pace; runs on a calm machine stay within 3% of each other."""
ATTEMPTS = 6
"""Of timing one submission; on a machine that is always slower than the one on which the class was
prepared all are made, and the calmest counts."""
PREPARING = 3
"""Runs of the rival alone, of which the fastest counts."""


@dataclass(frozen=True)
class Pace:
    """Seconds a post that the rival takes on a calm machine, at batch 1 and in batches."""

    single: float
    batched: float


def pace_of_rival(job: SequenceJob, limits: RunLimits) -> Pace:
    """The pace of `job`'s rival, alone. Raises what `run_sequences` raises."""
    alone = replace(job, models={}, ids={}, pad_ids={}, answers=False)
    found = [_pace(run_sequences(alone, limits)) for _ in range(PREPARING)]
    return Pace(min(one.single for one in found), min(one.batched for one in found))


def run_calmly(job: SequenceJob, limits: RunLimits, calm: Pace) -> SequenceRun:
    """`run_sequences`, whose timings are taken again while its rival is slower than `calm` says; of
    each batch size the calmest count. Raises what `run_sequences` raises."""
    run = run_sequences(job, limits)
    again = replace(job, answers=False)
    for _ in range(ATTEMPTS - 1):
        no_time = 2 * run.seconds > limits.wall_seconds
        if no_time or max(_slower(run, calm)) <= TOLERATED:
            break
        try:
            other = run_sequences(again, limits)
        except Stopped as error:
            if error.status is Status.TIMED_OUT:  # the first run is a measurement all the same
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


def _slower(run: SequenceRun, calm: Pace) -> tuple[float, float]:
    now = _pace(run)
    return now.single / calm.single, now.batched / calm.batched


def _calmer(one: Mapping[str, Timing], other: Mapping[str, Timing]) -> Mapping[str, Timing]:
    return one if _seconds(one) <= _seconds(other) else other


def _seconds(timings: Mapping[str, Timing]) -> float:
    rival = timings.get(RIVAL)
    return math.nan if rival is None else typical_seconds(rival.seconds, rival.posts)
