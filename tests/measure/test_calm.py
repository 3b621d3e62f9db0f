"""Timing is repeated where the rival is slower than when the class was prepared."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from grader.lesson.spec import RunLimits
from grader.measure import latency
from grader.measure.latency import Pace, typical_seconds
from grader.sandbox.runners.sequences import (
    BASELINE,
    SequenceJob,
    SequenceRun,
    Timing,
    run_sequences,
)
from tests.sandbox.token_models import CLASSES, answers, averaging, posts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="timing needs a warm worker")
LIMITS = RunLimits(wall_seconds=60, cpu_seconds=60, memory_bytes=512 * 2**20)
NEVER, ALWAYS = Pace(math.inf, math.inf), Pace(1e-12, 1e-12)
"""Paces than which no rival is slower, and every rival."""


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
    """All runs that were made, as they come."""
    runs: list[SequenceRun] = []

    def noted(*arguments: Any) -> SequenceRun:
        runs.append(run_sequences(*arguments))
        return runs[-1]

    monkeypatch.setattr(latency, "run_sequences", noted)
    return runs


def rivals_seconds(timings: Mapping[str, Timing]) -> float:
    return typical_seconds(timings[BASELINE].seconds, timings[BASELINE].posts)


def test_a_calm_run_is_the_only_one(made: list[SequenceRun]) -> None:
    run = latency.run_calmly(job(averaging()), LIMITS, NEVER)
    assert made == [run]
    np.testing.assert_allclose(run.logits["student"], answers(posts(40)), atol=1e-5)
    assert set(run.single) == set(run.batched) == {"student", BASELINE}


def test_of_disturbed_ones_the_calmest_timings_count_and_answers_stay(
    made: list[SequenceRun],
) -> None:
    run = latency.run_calmly(job(averaging()), LIMITS, ALWAYS)
    assert len(made) == latency.ATTEMPTS
    assert rivals_seconds(run.single) == min(rivals_seconds(one.single) for one in made)
    assert rivals_seconds(run.batched) == min(rivals_seconds(one.batched) for one in made)
    assert run.logits is made[0].logits
    assert run.padding_effect is made[0].padding_effect
    assert not made[1].logits


def test_no_run_begins_that_the_limit_might_end(made: list[SequenceRun]) -> None:
    latency.run_calmly(job(averaging()), replace(LIMITS, wall_seconds=2.0), ALWAYS)
    spent = np.cumsum([one.seconds for one in made])
    assert (2 * spent[:-1] <= 2.0).all()


def test_a_rival_has_the_pace_of_its_calmest_run_alone(made: list[SequenceRun]) -> None:
    pace = latency.pace_of_rival(job(averaging()), LIMITS)
    assert pace.single == min(rivals_seconds(one.single) for one in made)
    assert pace.batched == min(rivals_seconds(one.batched) for one in made)
    assert all(set(one.single) == {BASELINE} for one in made)
