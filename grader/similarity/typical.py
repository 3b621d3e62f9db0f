"""How alike two of a class usually are: what everyone has in common is no reason to look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
