"""Accuracy and F1 agree with scikit-learn, and their intervals have the stated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.measure.quality import classification as c

CLASSES = 5
pairs = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=80
)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    predicted, labels = np.array(rows).T
    return predicted, labels


@settings(max_examples=150, deadline=None)
@given(pairs)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    predicted, labels = columns(rows)
    found = c.quality(predicted, labels, CLASSES)
    assert found.accuracy.value == pytest.approx(metrics.accuracy_score(labels, predicted))
    for average, ours in (("macro", found.f1_macro), ("weighted", found.f1_weighted)):
        theirs = metrics.f1_score(labels, predicted, average=average, zero_division=0)
        assert ours.value == pytest.approx(theirs)
        assert ours.interval[0] <= ours.value <= ours.interval[1]
    table = metrics.confusion_matrix(labels, predicted, labels=range(CLASSES))
    assert (c.confusion(predicted, labels, CLASSES) == table).all()


def drawn(rng: np.random.Generator, n: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of unequal frequency, and a classifier that is right with this probability."""
    labels = rng.choice(CLASSES, n, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    guesses = rng.choice(CLASSES, n)
    return np.where(rng.random(n) < right, labels, guesses), labels


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    predicted, labels = drawn(rng, 2_000_000, 0.6)
    truth = {"accuracy": c.accuracy(predicted, labels).value}
    table = c.confusion(predicted, labels, CLASSES)[None]
    truth |= {m: float(c._of_tables(table, m)[0]) for m in ("f1_macro", "f1_weighted")}
    inside = dict.fromkeys(truth, 0)
    for _ in range(300):
        found = c.quality(*drawn(rng, 800, 0.6), CLASSES)
        for name in truth:
            low, high = getattr(found, name).interval
            inside[name] += low <= truth[name] <= high
    for name, hits in inside.items():  # 3 standard errors of 95% in 300
        assert 0.912 <= hits / 300 <= 0.988, name


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "f1_weighted"])
def test_a_paired_difference_is_narrower_than_two_intervals(metric: c.Metric) -> None:
    rng = np.random.default_rng(2)
    theirs, labels = drawn(rng, 1500, 0.7)
    ours = np.where(rng.random(1500) < 0.97, theirs, rng.choice(CLASSES, 1500))
    found = c.difference(metric, ours, theirs, labels, CLASSES)
    one, two = (c.quality(x, labels, CLASSES) for x in (ours, theirs))
    assert found.value == pytest.approx(getattr(one, metric).value - getattr(two, metric).value)
    low, high = found.interval
    assert low <= found.value <= high
    alone = getattr(one, metric).interval
    assert high - low < 0.5 * (alone[1] - alone[0])


def test_the_accuracy_difference_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        labels = rng.choice(CLASSES, 400)
        ours = np.where(rng.random(400) < 0.90, labels, (labels + 1) % CLASSES)
        theirs = np.where(rng.random(400) < 0.05, (labels + 2) % CLASSES, ours)
        low, high = c.difference("accuracy", ours, theirs, labels, CLASSES).interval
        inside += low <= 0.05 * 0.90 <= high
    assert inside / 400 >= 0.92


def test_two_models_that_never_differ_may_still_differ_elsewhere() -> None:
    labels = np.arange(50) % CLASSES
    found = c.difference("accuracy", labels, labels, labels, CLASSES)
    assert found.value == 0.0
    assert found.interval[0] < 0 < found.interval[1]


def test_the_same_posts_give_the_same_intervals() -> None:
    predicted, labels = drawn(np.random.default_rng(4), 500, 0.6)
    assert c.quality(predicted, labels, CLASSES) == c.quality(predicted, labels, CLASSES)


def test_what_cannot_be_scored_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 posts"):
        c.accuracy(np.array([], int), np.array([], int))
    with pytest.raises(ValueError, match="between 0 and 4"):
        c.confusion(np.array([5]), np.array([0]), CLASSES)
    with pytest.raises(ValueError, match="finite"):
        c.predictions(np.array([[np.nan, 0.0]]))
