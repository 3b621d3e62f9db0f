"""Mistakes that two submissions share, and what is usual in a class.

**Agreement.** An event is a hidden item answered wrong in one particular way. The share of the
class that makes it gives its difficulty d, and the number of a submission's events its weakness w;
independent work makes the event with probability p = 1 / (1 + exp(-(d + w))) (the Rasch model).
Rare events weigh log(1 / share of the class). With O the weight of the events that two submissions
have in common, E its expectation for independent work and M its maximum,

    agreement = (O - E) / (M - E)

as in Cohen's kappa: 0 by chance, 1 if all mistakes of one are the other's too. Its interval
combines the variance of O under chance, for the part that chance explains, with a binomial variance
for the rest; one mistake more or less is always possible.

**The class.** Models of one kind that are trained on the same data agree beyond chance, and
solutions of one exercise resemble each other. So a pair is compared with the other pairs of the
class: `beyond_class`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:  # scipy is imported where it is used: grading imports this module
    from scipy import sparse

LEVELS = 161
WEAKNESS = 8.0
"""Weaknesses are rounded to LEVELS values from -8 to 8, in steps of 0.1, so that chance is computed
once for each pair of levels."""
PRIOR = 2.0
"""Average submissions that are added to the class when difficulties are estimated, so that no
mistake is certain in a class of three."""
LEAST_WEIGHT = 8.0
"""The smallest M for which an agreement is computed: as many rare mistakes, or more common ones."""
LEAST_CLASS = 20
"""The smallest class whose own pairs say what is usual."""
SPREADS = 2.5
"""Standard deviations above the median that are still usual."""
_MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""
_CHUNK = 2048


@dataclass(frozen=True)
class Agreement:
    """The agreement of each pair of n submissions; 0 where it is not known."""

    value: NDArray[np.float32]
    """(n, n)"""
    error: NDArray[np.float32]
    """(n, n), the standard error."""

    def low(self, sigmas: float) -> NDArray[np.float32]:
        """(n, n), the lower ends of intervals of `sigmas` standard errors on each side."""
        return self.value - np.float32(sigmas) * self.error


# A submission's answers to hidden items as codes: 0 if right, otherwise which wrong answer.


def of_classes(predictions: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """(items,) 0 where the predicted class is the label, otherwise 1 + the class modulo 254."""
    chosen, right = np.asarray(predictions).ravel(), np.asarray(labels).ravel()
    return np.where(chosen == right, 0, 1 + chosen % 254).astype(np.uint8)


def of_scores(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """(items,) 1 where a detector is wrong if it accepts as many items as there are positives. It
    then has as many misses as false accepts, whatever the scale of its scores."""
    ranked, positive = np.asarray(scores, np.float64).ravel(), np.asarray(labels).ravel() == 1
    accepted = np.zeros(len(ranked), bool)
    accepted[np.argsort(-ranked, kind="stable")[: int(positive.sum())]] = True
    return (accepted != positive).astype(np.uint8)


def of_values(stated: Sequence[object], right: Sequence[bool]) -> NDArray[np.uint8]:
    """(items,) codes of answers that are numbers or words; equal wrong answers have equal codes."""
    pairs = zip(stated, right, strict=True)
    codes = [0 if ok else 1 + zlib.crc32(repr(one).encode()) % 255 for one, ok in pairs]
    return np.array(codes, np.uint8)


# Agreement ----------------------------------------------------------------------------------


def agreement(codes: Sequence[NDArray[np.uint8]]) -> Agreement:
    """The agreement of n submissions by their `codes`, (items,) each."""
    n = len(codes)
    if n < 2 or not any(np.any(one) for one in codes):
        return Agreement(np.zeros((n, n), np.float32), np.zeros((n, n), np.float32))
    made = _events(codes)
    holders = np.asarray(made.sum(0)).ravel().astype(np.int64)
    weight = rarity(holders, n)
    common = _common(made[:, holders > 1], weight[holders > 1])
    expected, by_chance = _chance(made, holders, weight)
    mass = np.asarray(made @ weight).ravel()
    most = np.minimum(mass[:, None], mass[None, :]).astype(np.float32)
    room = most - expected
    known = (most >= LEAST_WEIGHT) & (room > 0.1 * most)
    np.fill_diagonal(known, False)
    room = np.where(known, room, 1)
    value = np.clip(np.where(known, (common - expected) / room, 0), -1, 1)
    share = np.clip(value, 0, 1)
    variance = 1 + by_chance * (1 - share) + most * share * (1 - share)
    error = np.where(known, np.sqrt(variance) / room, 0)
    return Agreement(value.astype(np.float32), error.astype(np.float32))


def _events(codes: Sequence[NDArray[np.uint8]]) -> sparse.csr_matrix:
    """(n, events), 1 where a submission makes an event."""
    from scipy import sparse

    rows = [np.full(int(np.count_nonzero(one)), row) for row, one in enumerate(codes)]
    keys = [np.flatnonzero(one) * 256 + one[one > 0] for one in codes]
    events, columns = np.unique(np.concatenate(keys), return_inverse=True)
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, (np.concatenate(rows), columns)), (len(codes), len(events)))


def _common(made: sparse.csr_matrix, weight: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, n) weight of the events that two submissions have in common. Frequent events are
    multiplied as dense matrices, which is faster for them, the others as sparse ones."""
    from scipy import sparse

    n = made.shape[0]
    total = np.zeros((n, n), np.float32)
    scaled = (made @ sparse.diags(np.sqrt(weight).astype(np.float32))).tocsc()
    frequent = np.asarray(made.sum(0)).ravel() > n / 16
    dense, rare = scaled[:, frequent], scaled[:, ~frequent].tocsr()
    for start in range(0, dense.shape[1], _CHUNK):
        part = np.ascontiguousarray(dense[:, start : start + _CHUNK].toarray())
        total += part @ part.T
    return total + products(rare)


def products(rows: sparse.csr_matrix) -> NDArray[np.float32]:
    """(n, n), `rows` times its transpose. The sparse results are kept for 256 rows at a time."""
    n, transposed = rows.shape[0], rows.T.tocsr()
    found = np.empty((n, n), np.float32)
    for start in range(0, n, 256):
        found[start : start + 256] = (rows[start : start + 256] @ transposed).toarray()
    return found


def _chance(
    made: sparse.csr_matrix, holders: NDArray[np.int64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, n) expectation and variance of the weight in common of independent submissions. Events
    with equally many holders have equal probabilities, so there are at most n kinds of them."""
    from scipy.special import expit, logit

    n = made.shape[0]
    kinds, first, times = np.unique(holders, return_index=True, return_counts=True)
    usual = float((kinds * times).sum()) / (n * len(holders))
    difficulty = logit((kinds + PRIOR * usual) / (n + PRIOR))
    levels = np.linspace(-WEAKNESS, WEAKNESS, LEVELS)
    chance = expit(difficulty[None, :] + levels[:, None])
    # k holders are k (k - 1) of the n (n - 1) ordered pairs.
    paired = n * (kinds - 1) / (kinds * (n - 1))
    mistakes = np.asarray(made.sum(1)).ravel()
    level = np.searchsorted(chance @ times, mistakes).clip(0, LEVELS - 1)
    each = weight[first]
    expected = (chance * (times * each * paired)) @ chance.T
    # The sum of s (1 - s) over the events, where s is the probability that two share the event.
    squares = (chance**2 * (times * each**2 * paired**2)) @ (chance**2).T
    variance = (chance * (times * each**2 * paired)) @ chance.T - squares
    chosen = np.ix_(level, level)
    return expected.astype(np.float32)[chosen], variance.astype(np.float32)[chosen]


# The class ----------------------------------------------------------------------------------


def rarity(holders: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """The weight of something that `holders` of `n` submissions have: 1 for a few (five of a large
    class), less for more, nearly 0 for all."""
    few = np.clip(n / 4, 2, 5)
    weight = np.log((n + 1) / np.maximum(holders, 1)) / np.log((n + 1) / few)
    return np.clip(weight, 0.0, 1.0)


def usual_similarity(alike: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """(n, n), the highest similarity that is usual for both of a pair: the median of a submission's
    similarities to the others plus SPREADS robust standard deviations, but at least `least`, which
    was measured on independent work. A small class has `least` everywhere."""
    n = len(alike)
    if n < LEAST_CLASS:
        return np.full((n, n), least, np.float32)
    others = alike[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    median = np.median(others, axis=1)
    spread = np.median(np.abs(others - median[:, None]), axis=1)
    usual = np.maximum(median + SPREADS * _MAD_TO_SIGMA * spread, least).astype(np.float32)
    return np.maximum(usual[:, None], usual[None, :])


def beyond_class(
    alike: NDArray[np.float32], least: float, low: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """(n, n), the position of `alike` (or of the lower ends of its intervals, `low`) between the
    usual similarity, 0, and equality, 1; 0 on the diagonal."""
    usual = usual_similarity(alike, least)
    found = alike if low is None else low
    beyond = np.clip((found - usual) / np.maximum(1 - usual, 1e-3), 0, 1).astype(np.float32)
    np.fill_diagonal(beyond, 0)
    return beyond


def median_of_pairs(alike: NDArray[np.float32], able: NDArray[np.bool_]) -> float | None:
    """The median over all pairs of submissions that are `able` to be compared; None if there are
    fewer than three."""
    if np.count_nonzero(able) < 3:
        return None
    chosen = alike[np.ix_(able, able)]
    return float(np.median(chosen[np.triu_indices(len(chosen), 1)]))
