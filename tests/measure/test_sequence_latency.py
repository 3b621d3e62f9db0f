"""One ratio out of many disturbed timings."""

from __future__ import annotations

import numpy as np
import pytest

from grader.measure.latency import sequence_ratio, typical_seconds

ROUNDS = 20


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
