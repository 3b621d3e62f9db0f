"""Triggers and delays of a detector, and chunk sizes and differences of a session."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.measure.streams.detections import REFRACTORY_SECONDS, SAMPLE_RATE, detect, triggers
from grader.measure.streams.session import (
    drawn_chunks,
    first_bad,
    irregular,
    largest_difference,
)
from grader.sandbox.runners.stream import Heard

HOP = 160


def stream(*pieces: tuple[float, float], step: int = 1280) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and ends of chunks: each piece is (seconds, probability)."""
    values = [value for seconds, value in pieces for _ in range(round(seconds * 12.5))]
    return np.array(values), step * np.arange(1, len(values) + 1)


def heard(ends: list[int], values: list[float], finite: list[bool] | None = None) -> Heard:
    none = np.zeros(len(ends))
    sound = np.ones(len(ends), bool) if finite is None else np.array(finite)
    return Heard(np.array(values), np.array(ends), none, sound, none.astype(np.int64))


def span(begin: float, end: float) -> np.ndarray:
    return np.array([[begin * SAMPLE_RATE, end * SAMPLE_RATE]], np.int64)


def test_a_keyword_is_found_by_a_rise_during_it_or_soon_after():
    probabilities, ends = stream((2.0, 0.1), (0.8, 0.95), (2.0, 0.1))
    found = detect(probabilities, ends, span(1.5, 1.9), 0.9)
    assert (found.found, found.keywords, len(found.false_alarms)) == (1, 1, 0)
    assert found.delays[0] == pytest.approx(2.08 - 1.9)


def test_a_rise_before_the_word_or_long_after_it_is_a_false_alarm():
    probabilities, ends = stream((2.0, 0.1), (0.8, 0.95), (2.0, 0.1))
    for begin, end in ((2.2, 2.6), (0.2, 0.9)):
        found = detect(probabilities, ends, span(begin, end), 0.9)
        assert (found.found, len(found.false_alarms)) == (0, 1)
        assert np.isnan(found.median_delay)


def test_a_delay_before_the_end_of_the_word_is_negative():
    probabilities, ends = stream((2.0, 0.1), (0.8, 0.95))
    assert detect(probabilities, ends, span(1.5, 2.5), 0.9).median_delay < 0


def test_one_trigger_finds_one_keyword():
    probabilities, ends = stream((1.0, 0.1), (1.6, 0.95), (1.0, 0.1))
    spans = np.concatenate([span(0.9, 1.1), span(1.2, 1.4)])
    found = detect(probabilities, ends, spans, 0.9)
    assert found.found == 1
    assert np.isnan(found.delays[1])


def test_flutter_triggers_once():
    probabilities, ends = stream(*[(0.08, 0.95), (0.08, 0.1)] * 6, (2.0, 0.1))
    assert len(triggers(probabilities, ends, 0.9)) == 1


def test_false_alarms_are_counted_by_the_hour():
    probabilities, ends = stream((2.0, 0.1), (0.8, 0.95), (7.2, 0.1))
    found = detect(probabilities, ends, np.zeros((0, 2), np.int64), 0.9)
    assert found.false_alarms_per_hour == pytest.approx(360)


def test_nothing_heard_is_an_error():
    with pytest.raises(ValueError, match="nothing was heard"):
        detect(np.zeros(0), np.zeros(0, np.int64), span(0, 1), 0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.floats(0.05, 1))
def test_triggers_are_rises_and_never_closer_than_the_refractory_time(values, threshold):
    ends = 1280 * np.arange(1, len(values) + 1)
    found = triggers(np.array(values), ends, threshold)
    for moment in found:
        place = moment // 1280 - 1
        assert values[place] >= threshold
        assert place == 0 or values[place - 1] < threshold
    assert (np.diff(found) >= REFRACTORY_SECONDS * SAMPLE_RATE).all()


@given(st.integers(1, 2_000), st.integers(1, 100), st.integers(0, 2**32))
def test_irregular_chunks_are_whole_hops_and_add_up(hops, longest, seed):
    sizes = irregular(hops * HOP, HOP, longest * HOP, np.random.default_rng(seed))
    assert sum(sizes) == hops * HOP
    assert all(0 < size <= longest * HOP and size % HOP == 0 for size in sizes)


def test_irregular_chunks_are_short_and_long():
    sizes = irregular(600 * SAMPLE_RATE, HOP, SAMPLE_RATE, np.random.default_rng(0))
    assert {HOP, SAMPLE_RATE} <= set(sizes)


@given(st.integers(1, 5), st.integers(1, 100))
def test_chunks_of_any_size_end_at_every_second(seconds, hops):
    sizes = drawn_chunks(seconds, hops, np.random.default_rng(hops))
    ends = np.cumsum(sizes)
    assert set(SAMPLE_RATE * np.arange(1, seconds + 1)) <= set(ends)
    assert HOP <= min(sizes) <= max(sizes) <= hops * HOP


def test_a_difference_is_taken_where_both_answered_and_never_hides_a_nan():
    fine = heard([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4])
    assert largest_difference(fine, heard([2, 4], [0.2, 0.5])) == pytest.approx(0.1)
    assert largest_difference(fine, heard([2, 4], [0.2, np.nan])) == float("inf")
    with pytest.raises(ValueError, match="no moment in common"):
        largest_difference(fine, heard([9], [0.0]))


def test_the_first_bad_answer_is_named():
    assert first_bad(heard([1, 2, 3, 4], [0.1, 0.2, np.nan, 0.3])) == 2
    assert first_bad(heard([1, 2], [0.1, 0.2], [True, False])) == 1
    assert first_bad(heard([1, 2], [0.1, 0.2])) is None
