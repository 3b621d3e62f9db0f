"""Ratios out of disturbed timings, and timings repeated on a disturbed machine."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from grader.lesson.spec import RunLimits
from grader.measure import latency
from grader.measure.latency import Pace, sequence_ratio, typical_seconds
from grader.sandbox.runners.sequences import (
    BASELINE,
    SequenceJob,
    SequenceRun,
    Timing,
    run_sequences,
)
from tests.sandbox.token_models import CLASSES, answers, averaging, posts

needs_warm_worker = pytest.mark.skipif(sys.platform != "linux", reason="timing needs a warm worker")
ROUNDS = 20
LIMITS = RunLimits(wall_seconds=600, cpu_seconds=600, memory_bytes=512 * 2**20)
NEVER, ALWAYS = Pace(math.inf, math.inf), Pace(1e-12, 1e-12)
"""No baseline is slower than the first pace, and every baseline is slower than the second."""


def timings(pieces: int, whole: float, seed: int = 0, noise: float = 0.02) -> np.ndarray:
    """(rounds, pieces) seconds that add up to about `whole` a round; noise only ever adds."""
    rng = np.random.default_rng(seed)
    return whole / pieces * (1 + rng.exponential(noise, (ROUNDS, pieces)))


def test_the_ratio_of_equal_models_is_one() -> None:
    assert sequence_ratio(timings(32, 0.1), timings(32, 0.1)).value == 1.0


def test_pieces_may_be_cut_differently() -> None:
    found = sequence_ratio(timings(32, 0.1), timings(2, 0.005, seed=1))
    assert found.value == pytest.approx(20, rel=0.01)
    low, high = found.interval
    assert 0.98 * found.value < low <= found.value <= high < 1.02 * found.value


def test_a_third_of_all_timings_may_be_disturbed() -> None:
    baseline, artefact = timings(32, 0.1), timings(4, 0.01, seed=1)
    calm = sequence_ratio(baseline, artefact).value
    rng = np.random.default_rng(2)
    for each in (baseline, artefact):
        each[rng.random(each.shape) < 1 / 3] *= 3
    assert sequence_ratio(baseline, artefact).value == pytest.approx(calm, rel=0.03)


def test_a_disturbed_run_says_so_by_its_interval() -> None:
    def width(noise: float) -> float:
        low, high = sequence_ratio(
            timings(8, 0.1, noise=noise), timings(2, 0.01, seed=1, noise=noise)
        ).interval
        return high / low

    assert width(0.5) > 1.1 > width(0.02)


def test_seconds_are_a_posts() -> None:
    seconds = np.full((ROUNDS, 4), 0.25)
    assert typical_seconds(seconds, 64) == pytest.approx(1 / 64)


def test_a_single_round_has_no_interval() -> None:
    found = sequence_ratio(np.array([[2.0]]), np.array([[1.0]]))
    assert (found.value, found.interval) == (2.0, (2.0, 2.0))


# Timings repeated while the baseline is slower than when the class was prepared.


def job(model: bytes) -> SequenceJob:
    ids = posts(40)
    return SequenceJob(
        {"student": model},
        {"student": ids},
        CLASSES,
        baseline=averaging(seed=1),
        baseline_ids=ids,
        rounds=6,
        timed_posts=20,
        batch=8,
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[SequenceRun]:
    """All runs in their order, recorded as they are made."""
    runs: list[SequenceRun] = []

    def noted(*arguments: Any) -> SequenceRun:
        runs.append(run_sequences(*arguments))
        return runs[-1]

    monkeypatch.setattr(latency, "run_sequences", noted)
    return runs


def baseline_seconds(timings: Mapping[str, Timing]) -> float:
    return typical_seconds(timings[BASELINE].seconds, timings[BASELINE].posts)


@needs_warm_worker
def test_a_calm_run_is_the_only_one(made: list[SequenceRun]) -> None:
    run = latency.run_calmly(job(averaging()), LIMITS, NEVER, 4)
    assert made == [run]
    np.testing.assert_allclose(run.logits["student"], answers(posts(40)), atol=1e-5)
    assert set(run.single) == set(run.batched) == {"student", BASELINE}


@needs_warm_worker
def test_of_disturbed_ones_the_calmest_timings_count_and_answers_stay(
    made: list[SequenceRun],
) -> None:
    run = latency.run_calmly(job(averaging()), LIMITS, ALWAYS, 4)
    assert len(made) == 4
    assert baseline_seconds(run.single) == min(baseline_seconds(one.single) for one in made)
    assert baseline_seconds(run.batched) == min(baseline_seconds(one.batched) for one in made)
    assert run.logits is made[0].logits
    assert run.padding_effect is made[0].padding_effect
    assert not made[1].logits


@needs_warm_worker
def test_no_run_begins_that_the_limit_might_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run is said to take 250 of 600 s: a third might not end in time."""
    runs: list[SequenceRun] = []

    def slow(*arguments: Any) -> SequenceRun:
        runs.append(dataclasses.replace(run_sequences(*arguments), seconds=250.0))
        return runs[-1]

    monkeypatch.setattr(latency, "run_sequences", slow)
    run = latency.run_calmly(job(averaging()), LIMITS, ALWAYS, 4)
    assert (len(runs), run.seconds) == (2, 500.0)


@needs_warm_worker
def test_the_baseline_has_the_pace_of_its_calmest_run_alone(made: list[SequenceRun]) -> None:
    pace = latency.pace_of_baseline(job(averaging()), LIMITS)
    assert pace.single == min(baseline_seconds(one.single) for one in made)
    assert pace.batched == min(baseline_seconds(one.batched) for one in made)
    assert all(set(one.single) == {BASELINE} for one in made)
