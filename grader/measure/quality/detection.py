"""Quality of a keyword detector: the area under false accepts against false rejects.

A clip is accepted when its score reaches a threshold. At each threshold the false accepts
(FA: other words accepted) and the false rejects (FR: keywords refused) are counted, both
divided by the number of *all* clips. The area under FR drawn against FA is

    AU-FA-FR = p (1 - p) (1 - AUC),     p = share of keywords, AUC = area under the ROC curve

so it depends on the order of the scores alone: logits, logit differences and probabilities
serve alike, and equal scores count half, which is the trapezoidal rule. `1 - AUC` is the
chance that a random other word scores above a random keyword; everything here is computed
from the integer counts behind it, so that nothing cancels when the area is near 0.

Intervals are DeLong's (1988), with placements from sorted scores (Sun & Xu 2014), on the
logarithm of the area (delta method), with a t quantile where few clips make the errors;
with groups they are Obuchowski's (1997). docs/measurements.md has the formulas and what
they were checked against.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grader.lesson.grades import Interval

PRIOR = 0.0305
"""Share of keywords that every AU-FA-FR is stated at, so that figures compare across data."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Detection:
    """AU-FA-FR of one detector on one set of clips; `interval` is two-sided at `level`."""

    value: float
    interval: Interval
    auc: float
    positives: int
    negatives: int
    groups: int | None = None
    """Number of independent groups (voices), or None when every clip counts as one."""
    level: float = 0.95


@dataclass(frozen=True)
class Ratio:
    """AU-FA-FR of one detector over that of another on the same clips.

    `value` is None when the denominator makes no error at all: the ratio is undefined.
    `interval` is None then, and when the clips are too few to bound the ratio.
    """

    value: float | None
    interval: Interval | None
    numerator: Detection
    denominator: Detection


def au_fa_fr(scores: ArrayLike, labels: ArrayLike, prior: float | None = PRIOR) -> float:
    """Area under the FA-FR curve, between 0 (perfect) and p (1 - p); O(n log n).

    `scores` has shape (clips,), higher meaning more like the keyword, in any unit; `labels`
    has shape (clips,), 1 for the keyword and 0 for anything else. The area is stated for a
    share `prior` of keywords; with `prior=None` for the share found in `labels`, which is
    what the course's loop over all thresholds computes, except for scores that the loop gets
    wrong: docs/measurements.md lists these cases.

    Raises ValueError for scores that are NaN or infinite, lengths that differ, no clips, labels
    other than 0 and 1, and for one class only with a stated prior (0 with `prior=None`).
    """
    values, truth = _validated(scores, labels)
    if prior is None and (truth.all() or not truth.any()):
        return 0.0
    return _weight(prior, truth) * _error_rate(values, truth).rate


def detection(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    prior: float | None = PRIOR,
    level: float = 0.95,
) -> Detection:
    """AU-FA-FR with its interval. Arguments and errors are those of `au_fa_fr`.

    `groups` names for each clip what makes it depend on others (its voice); without it the
    clips count as independent, and the interval is too narrow where they are not. It takes
    some dozens of groups to be of use. Without a single error the interval is [0, upper],
    see `_exact_bounds`. Both classes must be present, whatever the prior: ValueError.
    """
    clips = _clips(labels, groups, level)
    error = _error_rate(*_validated(scores, clips.labels))
    return _detection(error, clips, prior, level)


def ratio(
    scores: ArrayLike,
    baseline_scores: ArrayLike,
    labels: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    prior: float | None = PRIOR,
    level: float = 0.95,
) -> Ratio:
    """AU-FA-FR of `scores` over that of `baseline_scores`, both of shape (clips,).

    Both heard the same clips, so their errors are correlated and the ratio is known better
    than from two separate sets: the interval is that of the log ratio with DeLong's paired
    covariance. Raises as `detection` does.
    """
    clips = _clips(labels, groups, level)
    ours = _error_rate(*_validated(scores, clips.labels))
    base = _error_rate(*_validated(baseline_scores, clips.labels))
    numerator = _detection(ours, clips, prior, level)
    denominator = _detection(base, clips, prior, level)
    if base.rate == 0:
        return Ratio(None, None, numerator, denominator)
    value = ours.rate / base.rate
    interval: Interval | None = None
    spread = None
    if ours.rate > 0:
        spread = _spread(ours.influence / ours.rate - base.influence / base.rate, clips, level)
    if spread is not None:
        interval = (value * math.exp(-spread), value * math.exp(spread))
    else:
        # One interval each, both at half the error (Bonferroni).
        low, high = _bounds(ours, clips, (1 + level) / 2)
        base_low, base_high = _bounds(base, clips, (1 + level) / 2)
        if base_low > 0:
            interval = (low / base_high, high / base_low)
    return Ratio(value, interval, numerator, denominator)


def fa_fr_curve(
    scores: ArrayLike, labels: ArrayLike, prior: float | None = PRIOR
) -> tuple[Floats, Floats, Floats]:
    """False accepts, false rejects and thresholds, each of shape (distinct scores + 1,).

    Thresholds ascend: from the lowest score, where all is accepted (FA = 1 - p, FR = 0), to
    infinity, where nothing is (FA = 0, FR = p). The trapezoids under it make up `au_fa_fr`.
    Raises as `detection` does.
    """
    values, truth = _validated(scores, labels)
    _weight(prior, truth)  # raises for one class or a wrong prior
    share = float(truth.mean()) if prior is None else prior
    thresholds = np.append(np.unique(values), np.inf)
    keywords, others = np.sort(values[truth]), np.sort(values[~truth])
    refused = np.searchsorted(keywords, thresholds, side="left")
    accepted = len(others) - np.searchsorted(others, thresholds, side="left")
    return (1 - share) * accepted / len(others), share * refused / len(keywords), thresholds


def thin_curve(fa: Floats, fr: Floats, points: int = 400) -> NDArray[np.intp]:
    """Indices of at most `points` points of a monotone curve, both ends among them.

    The points are spread evenly along the curve as it looks on two logarithmic axes, since
    that is where detectors differ. Points inside a straight run are dropped first, which
    changes no picture; after that no dropped point is farther from a kept one than
    (range of log FA + range of log FR) / (points - 1). Zeros count as half the smallest
    value above 0. Raises ValueError for fewer than two points.
    """
    if points < 2:
        raise ValueError(f"a curve needs at least 2 points, not {points}")
    flat = (np.diff(fa) == 0, np.diff(fr) == 0)
    inside = (flat[0][1:] & flat[0][:-1]) | (flat[1][1:] & flat[1][:-1])
    corners = np.flatnonzero(np.concatenate([[True], ~inside, [True]]))
    if len(corners) <= points:
        return corners
    steps = np.abs(np.diff(_log(fa[corners]))) + np.abs(np.diff(_log(fr[corners])))
    traveled = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, traveled[-1], points)
    chosen = np.searchsorted(traveled, wanted[1:-1], side="left")
    return corners[np.unique(np.concatenate([[0], chosen, [len(corners) - 1]]))]


# How the clips are split, and what depends on what.


@dataclass(frozen=True)
class _Clips:
    labels: NDArray[np.bool_]
    codes: NDArray[np.intp]
    """Group of each clip, numbered from 0; its own number where clips are independent."""
    groups: int
    grouped: bool

    @cached_property
    def groups_with(self) -> tuple[int, int]:
        """Number of groups that have a keyword, and that have another word."""
        keywords, others = (
            int(np.count_nonzero(self.sums(kind.astype(np.float64))))
            for kind in (self.labels, ~self.labels)
        )
        return keywords, others

    def sums(self, values: Floats) -> Floats:
        """Sum of (clips,) `values` over each group, (groups,)."""
        if not self.grouped:
            return values
        return np.asarray(np.bincount(self.codes, values, minlength=self.groups), np.float64)


@dataclass(frozen=True)
class _ErrorRate:
    """`rate` is 1 - AUC; `influence` (clips,) says how much each clip moves it (sum 0)."""

    rate: float
    influence: Floats


def _validated(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    truth = _truth(labels)
    raw = np.asarray(scores)
    if raw.dtype.kind not in "fiub":
        raise ValueError(f"scores must be real numbers, not {raw.dtype}")
    if raw.shape != truth.shape:
        raise ValueError(f"scores have shape {raw.shape} but labels {truth.shape}")
    values = raw.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise ValueError(f"{bad} of {len(values)} scores are not finite (NaN or infinity)")
    return values, truth


def _truth(labels: ArrayLike) -> NDArray[np.bool_]:
    raw = np.asarray(labels)
    if raw.ndim != 1 or len(raw) == 0:
        raise ValueError(f"labels must have shape (clips,) with clips > 0, not {raw.shape}")
    if raw.dtype.kind not in "fiub" or not np.isin(raw, (0, 1)).all():
        raise ValueError("labels must be 1 (keyword) or 0 (anything else)")
    return raw.astype(bool)


def _weight(prior: float | None, truth: NDArray[np.bool_]) -> float:
    """p (1 - p), the area of a detector that ranks every pair wrongly."""
    share = float(truth.mean())
    if share in (0.0, 1.0):
        raise ValueError("there must be both keyword clips and others, to rank one against another")
    prior = share if prior is None else prior
    if not 0 < prior < 1:
        raise ValueError(f"prior must lie between 0 and 1, not {prior}")
    return prior * (1 - prior)


def _clips(labels: ArrayLike, groups: Sequence[Hashable] | None, level: float) -> _Clips:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    truth = _truth(labels)
    if groups is None:
        return _Clips(truth, np.arange(len(truth)), len(truth), grouped=False)
    if len(groups) != len(truth):
        raise ValueError(f"{len(groups)} groups for {len(truth)} clips")
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(group, len(numbers)) for group in groups], np.intp)
    return _Clips(truth, codes, len(numbers), grouped=True)


# The error rate and its interval.


def _error_rate(values: Floats, truth: NDArray[np.bool_]) -> _ErrorRate:
    """Raises ValueError for one class."""
    _weight(None, truth)
    keywords, others = values[truth], values[~truth]
    m, n = len(keywords), len(others)
    beaten = 2 * n - _twice_below(np.sort(others), keywords)  # by others, for each keyword
    beats = _twice_below(np.sort(keywords), others)  # keywords, for each other word
    rate = int(beaten.sum()) / (2 * m * n)
    influence = np.empty(m + n)
    influence[truth] = (beaten / (2 * n) - rate) / m
    influence[~truth] = (beats / (2 * m) - rate) / n
    return _ErrorRate(rate, influence)


def _twice_below(ordered: Floats, values: Floats) -> NDArray[np.int64]:
    """Twice the number of `ordered` below each value, ties counting half."""
    left = np.searchsorted(ordered, values, side="left")
    return (left + np.searchsorted(ordered, values, side="right")).astype(np.int64)


def _detection(error: _ErrorRate, clips: _Clips, prior: float | None, level: float) -> Detection:
    positives = int(clips.labels.sum())
    weight = _weight(prior, clips.labels)
    low, high = _bounds(error, clips, level)
    return Detection(
        value=weight * error.rate,
        interval=(weight * low, weight * high),
        auc=1.0 - error.rate,
        positives=positives,
        negatives=len(clips.labels) - positives,
        groups=clips.groups if clips.grouped else None,
        level=level,
    )


def _bounds(error: _ErrorRate, clips: _Clips, level: float) -> Interval:
    """DeLong on the log scale, never beyond what holds exactly."""
    # As many (keyword, other word) pairs can be formed with no group in two of them.
    pairs = min(*clips.groups_with, clips.groups // 2)
    low, high = _exact_bounds(error.rate, pairs, level)
    spread = _spread(error.influence / error.rate, clips, level) if error.rate > 0 else None
    if not spread:  # nothing to estimate it from: no error at all, only ties, or one clip
        return low, high
    return max(low, error.rate * math.exp(-spread)), min(high, error.rate * math.exp(spread))


def _spread(influence: Floats, clips: _Clips, level: float) -> float | None:
    """Half the width of the interval of the statistic whose `influence` by clip is given.

    The variance is Obuchowski's (1997), the sum over groups of squared influence,
    which is DeLong's when each clip is a group. The quantile is Student's t with
    Satterthwaite's degrees of freedom, 2 variance^2 / (its own variance), from the groups'
    fourth moment: near AUC = 1 a few clips make most of it, and the normal quantile covers
    too little.
    None when either class comes from fewer than two groups.
    """
    keywords, others = clips.sums(influence * clips.labels), clips.sums(influence * ~clips.labels)
    with_keywords, with_others = clips.groups_with
    if min(with_keywords, with_others) < 2:
        return None
    variance = (
        _unbiased(with_keywords) * float(keywords @ keywords)
        + _unbiased(with_others) * float(others @ others)
        + _unbiased(clips.groups) * 2 * float(keywords @ others)
    )
    squares = (keywords + others) ** 2
    total = float(squares.sum())
    excess = float(squares @ squares) - total**2 / clips.groups
    degrees = float(clips.groups - 1)
    if excess > 0:
        degrees = min(degrees, 2 * total**2 / excess)
    from scipy.special import stdtrit  # cheaper to load than scipy.stats

    return float(stdtrit(degrees, 0.5 + level / 2)) * math.sqrt(max(variance, 0.0))


def _unbiased(count: int) -> float:
    return count / (count - 1)


def _exact_bounds(rate: float, pairs: int, level: float) -> Interval:
    """Bounds on 1 - AUC that hold for any scores (Hoeffding 1963, theorem 1 and section 5).

    1 - AUC averages an indicator over all pairs; arranged in `pairs` disjoint, hence
    independent, pairs at a time it obeys the Chernoff bound of `pairs` coin tosses:
    pairs * KL(rate || bound) = log(2 / alpha). Without an error the upper bound becomes
    1 - (alpha / 2)^(1 / pairs), which is Clopper and Pearson's (1934): 3.7 / pairs at 95%.
    """
    if pairs == 0:
        return 0.0, 1.0
    budget = math.log(2 / (1 - level)) / pairs
    return _solve(rate, 0.0, budget), _solve(rate, 1.0, budget)


def _solve(rate: float, end: float, budget: float) -> float:
    """The point between `rate` and `end` whose divergence from `rate` is `budget`."""
    if rate == end or _divergence(rate, end) <= budget:
        return end
    inside, outside = rate, end
    for _ in range(100):
        middle = (inside + outside) / 2
        if _divergence(rate, middle) <= budget:
            inside = middle
        else:
            outside = middle
    return outside


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two coins, in nats."""
    if q in (0.0, 1.0):
        return 0.0 if p == q else math.inf
    first = p * math.log(p / q) if p > 0 else 0.0
    second = (1 - p) * (math.log1p(-p) - math.log1p(-q)) if p < 1 else 0.0
    return first + second


def _log(values: Floats) -> Floats:
    above = values[values > 0]
    return np.log(np.maximum(values, above.min() / 2 if len(above) else 1.0))
