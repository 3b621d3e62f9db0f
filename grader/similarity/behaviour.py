"""Mistakes that two submissions share, beyond what their difficulty and number explain.

An event is a hidden item answered wrong in one particular way. How often each of a class makes it
gives its difficulty d, and how many events a submission has gives its weakness w; independent
work makes it with probability p = 1 / (1 + exp(-(d + w))) (the Rasch model). Rare events weigh
log(1 / share of the class). With O the weight of the events that two have in common, E what is
expected of independent work and M the most there could be,

    agreement = (O - E) / (M - E)

as in Cohen's kappa: 0 by chance, 1 where all mistakes of one are the other's too. Its interval is
from the variance of O under chance for the part that is chance, and binomial for the part that is
not; one mistake more or less is always possible. Models of one kind trained on the same data agree
beyond chance anyway: `pairs` compares with the rest of the class.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import expit, logit

from grader.similarity.code import rarity

LEVELS = 161
WEAKNESS = 8.0
"""Weaknesses from -8 to 8 in steps of 0.1; chance is computed once for each pair of levels."""
PRIOR = 2.0
"""Submissions that everyone's difficulty is estimated with beside the class: nobody's mistake is
certain in a class of three."""
LEAST_WEIGHT = 8.0
"""Rare mistakes, or more of common ones: with fewer nothing is said."""
CHUNK = 2048


@dataclass(frozen=True)
class Agreement:
    """Of every two of n submissions; 0 where nothing can be said."""

    value: NDArray[np.float32]
    """(n, n)"""
    error: NDArray[np.float32]
    """(n, n), its standard error."""

    def low(self, sigmas: float) -> NDArray[np.float32]:
        """The lower end of an interval of `sigmas` on each side."""
        return self.value - np.float32(sigmas) * self.error


def agreement(codes: Sequence[NDArray[np.uint8]]) -> Agreement:
    """`codes` of n submissions, (items,) each: 0 right, else which wrong answer."""
    n = len(codes)
    nothing = Agreement(np.zeros((n, n), np.float32), np.zeros((n, n), np.float32))
    if n < 2 or not any(np.any(one) for one in codes):
        return nothing
    made = _events(codes)
    holders = np.asarray(made.sum(0)).ravel().astype(np.int64)
    weight = rarity(holders, n)
    common = _common(made[:, holders > 1], weight[holders > 1])
    expected, variance = _chance(made, holders, weight)
    mass = np.asarray(made @ weight).ravel()
    most = np.minimum(mass[:, None], mass[None, :]).astype(np.float32)
    room = most - expected
    said = (most >= LEAST_WEIGHT) & (room > 0.1 * most)
    np.fill_diagonal(said, False)
    room = np.where(said, room, 1)
    value = np.clip(np.where(said, (common - expected) / room, 0), -1, 1)
    error = np.where(said, np.sqrt(_variance(value, variance, most)) / room, 0)
    return Agreement(value.astype(np.float32), error.astype(np.float32))


def _variance(
    value: NDArray[np.float32], by_chance: NDArray[np.float32], most: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Of the weight in common, where the agreement is `value`."""
    share = np.clip(value, 0, 1)
    found: NDArray[np.float32] = 1 + by_chance * (1 - share) + most * share * (1 - share)
    return found


def _events(codes: Sequence[NDArray[np.uint8]]) -> sparse.csr_matrix:
    """(n, events) of ones."""
    rows = [np.full(int(np.count_nonzero(one)), row) for row, one in enumerate(codes)]
    keys = [np.flatnonzero(one) * 256 + one[one > 0] for one in codes]
    events, columns = np.unique(np.concatenate(keys), return_inverse=True)
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, (np.concatenate(rows), columns)), (len(codes), len(events)))


def _common(made: sparse.csr_matrix, weight: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, n) weight of the events that two have in common. Frequent events are multiplied dense,
    where that is faster, the others sparse."""
    n = made.shape[0]
    total = np.zeros((n, n), np.float32)
    scaled = (made @ sparse.diags(np.sqrt(weight).astype(np.float32))).tocsc()
    frequent = np.asarray(made.sum(0)).ravel() > n / 16
    dense, rare = scaled[:, frequent], scaled[:, ~frequent].tocsr()
    for start in range(0, dense.shape[1], CHUNK):
        part = np.ascontiguousarray(dense[:, start : start + CHUNK].toarray())
        total += part @ part.T
    transposed = rare.T.tocsr()
    for start in range(0, n, 256):
        block = slice(start, start + 256)
        total[block] += (rare[block] @ transposed).toarray()
    return total


def _chance(
    made: sparse.csr_matrix, holders: NDArray[np.int64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, n) expected weight in common, and its variance, under independence. Events that equally
    many made are one column: there are at most n."""
    n = made.shape[0]
    kinds, first, times = np.unique(holders, return_index=True, return_counts=True)
    usual = float((kinds * times).sum()) / (n * len(holders))
    difficulty = logit((kinds + PRIOR * usual) / (n + PRIOR))
    levels = np.linspace(-WEAKNESS, WEAKNESS, LEVELS)
    chance = expit(difficulty[None, :] + levels[:, None])
    # Of `kinds` who made it, one is no pair: of n (n - 1) pairs kinds (kinds - 1) share an event.
    paired = n * (kinds - 1) / (kinds * (n - 1))
    mistakes = np.asarray(made.sum(1)).ravel()
    level = np.searchsorted(chance @ times, mistakes).clip(0, LEVELS - 1)
    each = weight[first]
    expected = (chance * (times * each * paired)) @ chance.T
    # s (1 - s) summed over the events, s being the chance that two share it
    squares = (chance**2 * (times * each**2 * paired**2)) @ (chance**2).T
    variance = (chance * (times * each**2 * paired)) @ chance.T - squares
    chosen = np.ix_(level, level)
    return expected.astype(np.float32)[chosen], variance.astype(np.float32)[chosen]


# How alike two of a class usually are: what everyone has in common is no reason to look.


LEAST_CLASS = 20
"""Of fewer the usual cannot be told from the unusual."""
SPREADS = 2.5
"""Standard deviations above the median that still are usual."""
_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""


def expected_of_pairs(alike: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """(n, n) what is usual for both of a pair: of each of n submissions the median of its
    similarities to the others plus 2.5 robust standard deviations, and at least `least`, which
    was measured on independent work."""
    n = len(alike)
    if n < LEAST_CLASS:
        return np.full((n, n), least, np.float32)
    others = alike[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    median = np.median(others, axis=1)
    spread = np.median(np.abs(others - median[:, None]), axis=1)
    usual = np.maximum(median + SPREADS * _TO_SIGMA * spread, least).astype(np.float32)
    return np.maximum(usual[:, None], usual[None, :])


def median_of_pairs(alike: NDArray[np.float32], able: NDArray[np.bool_]) -> float | None:
    """The median over all pairs of those that are `able` to be compared; None of fewer than
    three."""
    if np.count_nonzero(able) < 3:
        return None
    chosen = alike[np.ix_(able, able)]
    return float(np.median(chosen[np.triu_indices(len(chosen), 1)]))


def beyond_class(
    alike: NDArray[np.float32], least: float, low: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """(n, n) how far `alike` (or the lower ends of its intervals, `low`) lies between the usual
    and 1."""
    usual = expected_of_pairs(alike, least)
    found = alike if low is None else low
    beyond = np.clip((found - usual) / np.maximum(1 - usual, 1e-3), 0, 1).astype(np.float32)
    np.fill_diagonal(beyond, 0)
    return beyond


# A submission's answers to hidden items as codes: 0 where right, else which wrong answer.


def of_classes(predictions: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """(items,) 0 where the predicted class is the label, else 1 + the class; at most 254
    classes are told apart."""
    chosen, right = np.asarray(predictions).ravel(), np.asarray(labels).ravel()
    return np.where(chosen == right, 0, 1 + chosen % 254).astype(np.uint8)


def of_scores(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """(items,) 1 where a detector errs that accepts as many items as there are positives: its
    misses and false accepts are then equally many, whatever the scale of its scores."""
    ranked, positive = np.asarray(scores, np.float64).ravel(), np.asarray(labels).ravel() == 1
    accepted = np.zeros(len(ranked), bool)
    accepted[np.argsort(-ranked, kind="stable")[: int(positive.sum())]] = True
    return (accepted != positive).astype(np.uint8)


def of_values(stated: Sequence[object], right: Sequence[bool]) -> NDArray[np.uint8]:
    """(items,) for answers that are numbers or words: equal wrong ones get equal codes."""
    codes = [
        0 if ok else 1 + zlib.crc32(repr(one).encode()) % 255
        for one, ok in zip(stated, right, strict=True)
    ]
    return np.array(codes, np.uint8)
