"""Shares and their 95% intervals, for positions that come in clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NORMAL_95 = 1.96


def clustered(
    right: NDArray[np.bool_], queries: Sequence[str]
) -> tuple[float, tuple[float, float]]:
    """Share of `right` (n,) and its 95% interval for new queries.

    Positions of one query succeed and fail together, so queries are what is sampled: the variance
    of a ratio of sums over queries (Cochran, Sampling Techniques, 1977, section 6.3), put into
    Wilson's interval as a number of independent positions.
    """
    numbers = np.unique(queries, return_inverse=True)[1]
    hits, sizes = np.bincount(numbers, right), np.bincount(numbers)
    count, share = len(sizes), float(right.mean())
    spread = float(((hits - share * sizes) ** 2).sum()) * count / max(count - 1, 1)
    variance = spread / float(sizes.sum()) ** 2
    simple = share * (1 - share)
    effective = simple / variance if variance > 0 and simple > 0 else float(count)
    return share, wilson(share, min(effective, float(len(right))))


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share that was seen in `n` independent trials."""
    z2 = NORMAL_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)
