"""Quality of a classifier with several classes: accuracy and F1, each with a 95% interval.

Functions take (n,) predicted and true classes, integers below `classes`. F1 of a class is
2 TP / (2 TP + FP + FN); `macro` is the mean over the classes that occur in truth or prediction,
`weighted` the mean by how often each is true, as in scikit-learn.

Intervals are for other posts drawn like these. Accuracy has Wilson's. F1 has a percentile
bootstrap over posts (Efron and Tibshirani, An Introduction to the Bootstrap, 13.3) with a fixed
seed: F1 depends on the confusion matrix alone, so matrices are drawn from the multinomial
distribution that resampling posts amounts to. Differences of two models are paired: both answer the
same posts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grader.lesson.grades import Interval

Metric = Literal["accuracy", "f1_macro", "f1_weighted"]
Classes = NDArray[np.integer]

NORMAL_95 = 1.96
RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A share, or a difference of two, with its 95% interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Quality:
    """All three metrics of one model."""

    accuracy: Estimate
    f1_macro: Estimate
    f1_weighted: Estimate


def predictions(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """(n,) classes of (n, classes) logits; the first of equal ones. Raises ValueError for NaN and
    infinity."""
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite")
    return logits.argmax(axis=1)


def quality(predicted: Classes, labels: Classes, classes: int) -> Quality:
    """Accuracy and both averages of F1."""
    return Quality(
        accuracy(predicted, labels),
        f1(predicted, labels, classes),
        f1(predicted, labels, classes, "weighted"),
    )


def accuracy(predicted: Classes, labels: Classes) -> Estimate:
    """Share of posts whose class is right, with Wilson's interval."""
    _require_posts(predicted, labels)
    share = float((predicted == labels).mean())
    return Estimate(share, wilson(share, len(labels)))


def f1(
    predicted: Classes,
    labels: Classes,
    classes: int,
    average: Literal["macro", "weighted"] = "macro",
) -> Estimate:
    """F1 over all classes with its bootstrap interval."""
    metric: Metric = "f1_macro" if average == "macro" else "f1_weighted"
    table = confusion(predicted, labels, classes)
    value = float(_of_tables(table[None], metric)[0])
    return Estimate(value, _percentiles(_of_tables(_drawn(table), metric), value))


def difference(
    metric: Metric, ours: Classes, theirs: Classes, labels: Classes, classes: int
) -> Estimate:
    """`metric` of `ours` minus that of `theirs` on the same posts, with a paired interval.

    For accuracy it is Agresti and Min's (Statistics in Medicine 24, 2005): half a post is added to
    each of the four outcomes, so that two models that never differ have no interval of width 0.
    """
    _require_posts(ours, labels)
    _require_posts(theirs, labels)
    if metric == "accuracy":
        return _accuracy_difference(ours == labels, theirs == labels)
    joint = np.zeros((classes, classes, classes), np.int64)
    np.add.at(joint, (labels, ours, theirs), 1)
    drawn = _drawn(joint)
    values = _of_tables(drawn.sum(3), metric) - _of_tables(drawn.sum(2), metric)
    one = joint[None]
    value = float((_of_tables(one.sum(3), metric) - _of_tables(one.sum(2), metric))[0])
    return Estimate(value, _percentiles(values, value))


def confusion(predicted: Classes, labels: Classes, classes: int) -> NDArray[np.int64]:
    """(classes, classes) posts by true class (row) and predicted class (column)."""
    _require_posts(predicted, labels)
    for name, values in (("predicted", predicted), ("true", labels)):
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(f"{name} classes must lie between 0 and {classes - 1}")
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def clustered(right: NDArray[np.bool_], queries: Sequence[str]) -> tuple[float, Interval]:
    """Share of `right` (n,) and its 95% interval for new queries; `queries` (n,) names clusters.

    Positions of one query are correlated, so the sampling unit is the query: the variance of a
    ratio of sums over queries (Cochran, Sampling Techniques, 1977, section 6.3) gives the effective
    number of independent positions in Wilson's interval.
    """
    numbers = np.unique(queries, return_inverse=True)[1]
    hits, sizes = np.bincount(numbers, right), np.bincount(numbers)
    count, share = len(sizes), float(right.mean())
    spread = float(((hits - share * sizes) ** 2).sum()) * count / max(count - 1, 1)
    variance = spread / float(sizes.sum()) ** 2
    simple = share * (1 - share)
    effective = simple / variance if variance > 0 and simple > 0 else float(count)
    return share, wilson(share, min(effective, float(len(right))))


def wilson(share: float, n: float) -> Interval:
    """Wilson's 95% interval of a share observed in `n` independent trials."""
    z2 = NORMAL_95**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, center - half), min(1.0, center + half)


def _require_posts(predicted: Classes, labels: Classes) -> None:
    if len(labels) == 0 or len(predicted) != len(labels):
        raise ValueError(f"{len(predicted)} predictions for {len(labels)} posts")


def _accuracy_difference(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Estimate:
    won, lost, n = int((ours & ~theirs).sum()), int((~ours & theirs).sum()), len(ours)
    value = (won - lost) / n
    # The middle of the interval is shrunk towards 0, the value is not.
    middle, discordant = (won - lost) / (n + 2), won + lost + 1
    variance = max(discordant - (won - lost) ** 2 / (n + 2), 0.0) / (n + 2) ** 2
    half = NORMAL_95 * math.sqrt(variance)
    return Estimate(value, (max(middle - half, -1.0), min(middle + half, 1.0)))


def _drawn(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """(RESAMPLES, *table.shape) tables of as many posts, drawn with replacement."""
    total = int(table.sum())
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(total, table.ravel() / total, RESAMPLES).reshape(-1, *table.shape)


def _of_tables(tables: NDArray[np.int64], metric: Metric) -> NDArray[np.float64]:
    """(n,) the metric of (n, classes, classes) confusion matrices."""
    hits = np.diagonal(tables, axis1=1, axis2=2).astype(np.float64)
    made, true = tables.sum(1), tables.sum(2)
    scores = np.divide(2 * hits, made + true, out=np.zeros_like(hits), where=made + true > 0)
    if metric == "f1_macro":
        return scores.sum(1) / np.maximum(((made + true) > 0).sum(1), 1)
    return (scores * true).sum(1) / true.sum(1)


def _percentiles(values: NDArray[np.float64], value: float) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return min(float(low), value), max(float(high), value)
