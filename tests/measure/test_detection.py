"""AU-FA-FR: the course's definition, its properties, and the coverage of its intervals."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from grader.measure.quality.detection import (
    PRIOR,
    au_fa_fr,
    detection,
    fa_fr_curve,
    ratio,
    thin_curve,
)

WEIGHT = PRIOR * (1 - PRIOR)


def loop(probabilities, labels) -> float:
    """The definition: accept at every threshold, count over all clips, trapezoids."""
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels, int)
    false_accepts, false_rejects = [], []
    for threshold in np.concatenate([[0.0], np.sort(probabilities), [1.0]]):
        accepted = (probabilities >= threshold).astype(int)
        false_accepts.append(accepted[labels == 0].sum() / len(labels))
        false_rejects.append(labels[accepted == 0].sum() / len(labels))
    return float(-np.trapezoid(false_rejects, x=false_accepts))


def closed_loop(probabilities, labels) -> float:
    """The same with one more threshold above every probability, where nothing is accepted."""
    return loop(np.asarray(probabilities, float) / 2, labels)


def pairs(scores, labels) -> np.ndarray:
    """psi of DeLong (1988): 1 where the other word wins, 1/2 on a tie; (keywords, others)."""
    scores, labels = np.asarray(scores, float), np.asarray(labels, bool)
    difference = scores[~labels][None, :] - scores[labels][:, None]
    return (np.sign(difference) + 1) / 2


def example(positives: int, negatives: int, seed: int = 0, apart: float = 2.0):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [positives, negatives])
    return rng.normal(size=positives + negatives) + apart * labels, labels


grid = st.integers(0, 8)
"""Few distinct scores, so that ties and saturation happen all the time."""


@st.composite
def clips(draw, both_classes=True):
    scores = draw(st.lists(grid, min_size=1, max_size=30))
    labels = draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores)))
    if both_classes:
        assume(0 < sum(labels) < len(labels))
    return np.array(scores, float), np.array(labels)


# The value.


@given(clips(both_classes=False))
def test_equals_the_loop_on_probabilities_that_never_reach_one(data):
    scores, labels = data
    assert au_fa_fr(scores / 9, labels, prior=None) == pytest.approx(
        loop(scores / 9, labels), abs=1e-12
    )


@given(clips(both_classes=False))
def test_saturation_counts_like_any_tie(data):
    scores, labels = data
    expected = closed_loop(scores / 8, labels)
    assert au_fa_fr(scores / 8, labels, prior=None) == pytest.approx(expected, abs=1e-12)


def test_equals_the_loop_on_a_realistic_set():
    scores, labels = example(200, 2000, apart=3.5)
    probabilities = 1 / (1 + np.exp(-scores))
    assert au_fa_fr(probabilities, labels, prior=None) == pytest.approx(
        loop(probabilities, labels), abs=1e-12
    )


@given(clips(), st.floats(0.001, 0.999))
def test_is_the_share_of_misranked_pairs_times_p_one_minus_p(data, prior):
    scores, labels = data
    expected = prior * (1 - prior) * pairs(scores, labels).mean()
    assert au_fa_fr(scores, labels, prior) == pytest.approx(expected, abs=1e-12)


@given(clips())
def test_depends_only_on_the_order_of_scores(data):
    scores, labels = data
    value = au_fa_fr(scores, labels)
    for transform in (np.exp, np.cbrt, lambda s: 5 * s - 100, lambda s: 1 / (1 + np.exp(4 - s))):
        assert au_fa_fr(transform(scores), labels) == value


@given(clips(), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_clips(data, random):
    scores, labels = data
    order = list(range(len(scores)))
    random.shuffle(order)
    assert au_fa_fr(scores[order], labels[order]) == au_fa_fr(scores, labels)


@given(clips())
def test_swapping_classes_and_signs_changes_nothing_and_signs_alone_turn_it_round(data):
    scores, labels = data
    value = au_fa_fr(scores, labels)
    assert au_fa_fr(-scores, 1 - labels) == pytest.approx(value, abs=1e-15)
    assert au_fa_fr(-scores, labels) == pytest.approx(WEIGHT - value, abs=1e-15)


@given(clips(), st.integers(2, 4))
def test_repeating_every_clip_changes_nothing(data, times):
    scores, labels = data
    repeated = au_fa_fr(np.repeat(scores, times), np.repeat(labels, times))
    assert repeated == pytest.approx(au_fa_fr(scores, labels), abs=1e-15)


def test_bounds_are_reached():
    labels = [0, 0, 1, 1, 1]
    assert au_fa_fr([1, 2, 3, 4, 5], labels) == 0.0
    assert au_fa_fr([5, 4, 3, 2, 1], labels) == pytest.approx(WEIGHT)
    assert au_fa_fr([7, 7, 7, 7, 7], labels) == pytest.approx(WEIGHT / 2)


def test_one_pair_out_of_order_counts_one_pair_even_in_a_large_set():
    scores = np.arange(8000.0)
    labels = np.repeat([0, 1], [6000, 2000])
    labels[[5999, 6000]] = 1, 0
    assert au_fa_fr(scores, labels) == pytest.approx(WEIGHT / (6000 * 2000), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8])
def test_takes_scores_of_any_number_type(dtype):
    assert au_fa_fr(np.array([3, 1, 2, 0], dtype), [1, 1, 0, 0]) == pytest.approx(WEIGHT / 4)


@pytest.mark.parametrize("labels", [[True, False], np.array([1, 0], np.uint8), [1.0, 0.0]])
def test_takes_labels_of_any_number_type(labels):
    assert au_fa_fr([1.0, 0.0], labels) == 0.0


# Deliberate differences from the course's loop.


def test_the_loop_calls_nan_perfect_and_we_call_it_an_error():
    labels = np.array([1, 1, 0, 0])
    assert loop(np.full(4, np.nan), labels) == 0.0
    with pytest.raises(ValueError, match="4 of 4 scores are not finite"):
        au_fa_fr(np.full(4, np.nan), labels, prior=None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3])
def test_one_bad_score_is_an_error_everywhere(bad, place):
    scores, labels = np.array([0.9, 0.8, 0.2, 0.1]), [1, 1, 0, 0]
    spoiled = scores.copy()
    spoiled[place] = bad
    for call in (
        lambda: au_fa_fr(spoiled, labels),
        lambda: detection(spoiled, labels),
        lambda: fa_fr_curve(spoiled, labels),
        lambda: ratio(spoiled, scores, labels),
        lambda: ratio(scores, spoiled, labels),
    ):
        with pytest.raises(ValueError, match="not finite"):
            call()


def test_a_constant_one_is_perfect_to_the_loop_and_chance_to_us():
    labels = [1, 0, 0, 0]
    assert loop([1, 1, 1, 1], labels) == 0.0
    assert au_fa_fr([1, 1, 1, 1], labels, prior=None) == 3 / 16 / 2


def test_logits_make_the_loop_negative_and_leave_us_unmoved():
    scores, labels = example(20, 60)
    assert loop(scores + 5, labels) < 0
    assert au_fa_fr(scores + 5, labels, None) == pytest.approx(au_fa_fr(scores, labels, None))


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_the_loops_zero_at_its_own_prior_and_an_error_at_any_other(label):
    labels = [label] * 3
    assert loop([0.1, 0.2, 0.3], labels) == au_fa_fr([0.1, 0.2, 0.3], labels, prior=None) == 0.0
    for call in (
        lambda: au_fa_fr([0.1, 0.2, 0.3], labels),
        lambda: detection([0.1, 0.2, 0.3], labels, prior=None),
        lambda: fa_fr_curve([0.1, 0.2, 0.3], labels, prior=None),
        lambda: ratio([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], labels),
    ):
        with pytest.raises(ValueError, match="both keyword clips and others"):
            call()


# Wrong arguments.


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1, 0, 0], r"shape \(2,\) but labels \(3,\)"),
        ([[1.0], [2.0]], [1, 0], r"shape \(2, 1\)"),
        ([[1.0], [2.0]], [[1], [0]], r"labels must have shape \(clips,\)"),
        ([], [], "clips > 0"),
        ([1.0, 2.0], [1, 2], "labels must be 1"),
        ([1.0, 2.0], [1, -1], "labels must be 1"),
        ([1.0, 2.0], [1, 0.5], "labels must be 1"),
        ([1.0, 2.0], [1, math.nan], "labels must be 1"),
        ([1.0, 2.0], ["1", "0"], "labels must be 1"),
        (["1.0", "2.0"], [1, 0], "real numbers"),
        ([1j, 2.0], [1, 0], "real numbers"),
    ],
)
def test_wrong_input_is_named(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        au_fa_fr(scores, labels)
    with pytest.raises(ValueError, match=message):
        detection(scores, labels)


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_prior_must_be_a_share(prior):
    with pytest.raises(ValueError, match="prior"):
        au_fa_fr([1.0, 0.0], [1, 0], prior)


def test_a_level_must_be_a_share_and_every_clip_needs_a_group():
    with pytest.raises(ValueError, match="level"):
        detection([1.0, 0.0], [1, 0], level=1.0)
    with pytest.raises(ValueError, match="3 groups for 2 clips"):
        detection([1.0, 0.0], [1, 0], groups=["a", "b", "c"])


# The curve.


@given(clips(), st.sampled_from([None, PRIOR, 0.5]))
def test_the_area_under_the_curve_is_the_value(data, prior):
    scores, labels = data
    fa, fr, thresholds = fa_fr_curve(scores, labels, prior)
    assert -np.trapezoid(fr, x=fa) == pytest.approx(au_fa_fr(scores, labels, prior), abs=1e-12)
    share = labels.mean() if prior is None else prior
    assert (fa[0], fr[0]) == pytest.approx((1 - share, 0))
    assert (fa[-1], fr[-1]) == pytest.approx((0, share))
    assert (thresholds[0], thresholds[-1]) == (scores.min(), math.inf)
    assert len(fa) == len(fr) == len(thresholds) == len(np.unique(scores)) + 1


@given(clips())
def test_points_of_the_curve_are_counts_at_their_thresholds(data):
    scores, labels = data
    for fa, fr, threshold in zip(*fa_fr_curve(scores, labels, None), strict=True):
        assert fa == pytest.approx(np.mean((scores >= threshold) & (labels == 0)))
        assert fr == pytest.approx(np.mean((scores < threshold) & (labels == 1)))


def log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, values[values > 0].min() / 2))


@pytest.mark.parametrize("points", [2, 3, 10, 100])
@pytest.mark.parametrize("apart", [0.0, 2.0, 4.0])
def test_a_thinned_curve_is_short_and_stays_close_on_log_axes(points, apart):
    fa, fr, _ = fa_fr_curve(*example(1000, 3000, apart=apart))
    kept = thin_curve(fa, fr, points)
    assert len(kept) <= points
    assert kept[0] == 0
    assert kept[-1] == len(fa) - 1
    assert (np.diff(kept) > 0).all()
    x, y = log(fa), log(fr)
    tolerance = (np.ptp(x) + np.ptp(y)) / (points - 1) + 1e-9
    # Points inside a straight run lie on the line between its ends, so corners are enough.
    corners = thin_curve(fa, fr, len(fa))
    distance = np.abs(x[corners, None] - x[kept]) + np.abs(y[corners, None] - y[kept])
    assert distance.min(axis=1).max() <= tolerance


def test_dropping_straight_runs_keeps_every_corner_and_the_area():
    fa, fr, _ = fa_fr_curve(*example(300, 900))
    corners = thin_curve(fa, fr, len(fa))
    assert len(corners) < len(fa) / 2
    assert -np.trapezoid(fr[corners], x=fa[corners]) == pytest.approx(-np.trapezoid(fr, x=fa))


def test_a_perfect_detector_has_a_curve_of_three_corners():
    fa, fr, _ = fa_fr_curve([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    kept = thin_curve(fa, fr, 3)
    assert fa[kept] == pytest.approx([1 - PRIOR, 0, 0])
    assert fr[kept] == pytest.approx([0, 0, PRIOR])
    with pytest.raises(ValueError, match="at least 2 points"):
        thin_curve(fa, fr, 1)


# Intervals.


def spread_by_the_book(keywords: np.ndarray, others: np.ndarray, level: float) -> float:
    """Half an interval from DeLong's placements of each clip, with a t quantile."""
    m, n = len(keywords), len(others)
    variance = keywords.var(ddof=1) / m + others.var(ddof=1) / n
    influence = np.concatenate([(keywords - keywords.mean()) / m, (others - others.mean()) / n])
    fourth = (influence**4).sum() - (influence**2).sum() ** 2 / (m + n)
    degrees = 2 * (influence**2).sum() ** 2 / fourth
    return stats.t.ppf(0.5 + level / 2, degrees) * math.sqrt(variance)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_the_interval_is_delongs(level):
    scores, labels = example(80, 240)
    scores = np.round(scores, 1)  # with ties
    found = detection(scores, labels, level=level)
    psi = pairs(scores, labels)
    spread = spread_by_the_book(psi.mean(axis=1), psi.mean(axis=0), level) / psi.mean()
    expected = WEIGHT * psi.mean() * np.exp([-spread, spread])
    assert found.interval == pytest.approx(tuple(expected))
    assert found.value == au_fa_fr(scores, labels)
    assert found.auc == pytest.approx(1 - found.value / WEIGHT)
    assert (found.positives, found.negatives, found.groups) == (80, 240, None)


def test_four_clips_by_hand():
    # Keywords 3 and 1, others 2 and 0: one pair of four is wrong. Placements 0 and 1/2 on
    # either side, so both sample variances are 1/8 and Var = 1/8 / 2 + 1/8 / 2 = 1/8. All four
    # influences are equal, so there are 4 - 1 degrees of freedom.
    found = detection([3, 1, 2, 0], [1, 1, 0, 0])
    spread = stats.t.ppf(0.975, 3) * math.sqrt(1 / 8) / (1 / 4)
    assert found.value == pytest.approx(WEIGHT / 4)
    assert found.interval[0] == pytest.approx(WEIGHT / 4 * math.exp(-spread))
    assert found.interval[1] < WEIGHT  # DeLong's upper end is beyond the possible


@given(clips(), st.floats(0.5, 0.99))
def test_the_interval_contains_the_value_and_stays_possible(data, level):
    found = detection(*data, level=level)
    low, high = found.interval
    assert 0 <= low <= found.value <= high <= WEIGHT * (1 + 1e-12)
    assert high > low


@given(clips())
def test_the_interval_scales_with_the_prior_alone(data):
    one, other = detection(*data), detection(*data, prior=0.25)
    scale = 0.25 * 0.75 / WEIGHT
    assert other.value == pytest.approx(scale * one.value)
    assert other.interval == pytest.approx((scale * one.interval[0], scale * one.interval[1]))


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (10, 40), (4000, 12000), (50, 20)])
def test_without_an_error_the_upper_bound_is_clopper_pearsons_on_disjoint_pairs(
    positives, negatives
):
    labels = np.repeat([1, 0], [positives, negatives])
    found = detection(labels * 2.0, labels)
    assert found.value == found.interval[0] == 0.0
    independent = min(positives, negatives)
    assert found.interval[1] == pytest.approx(WEIGHT * stats.beta.ppf(0.975, 1, independent))


def test_a_rate_at_the_upper_bound_shows_no_error_in_one_set_of_forty():
    upper = detection([1.0] * 30 + [0.0] * 90, [1] * 30 + [0] * 90).interval[1] / WEIGHT
    assert stats.binom.pmf(0, 30, upper) == pytest.approx(0.025)


def test_more_errors_never_shrink_the_upper_bound_from_zero_errors_up():
    labels = np.repeat([0, 1], [300, 100])
    uppers = []
    for wrong in (0, 1, 3, 10, 50):
        scores = np.arange(400.0)
        scores[300 : 300 + wrong] = np.arange(wrong)  # keywords among the lowest others
        uppers.append(detection(scores, labels).interval[1])
    assert uppers == sorted(uppers)


def test_only_ties_still_have_an_interval_around_chance():
    low, high = detection(np.zeros(40), np.repeat([0, 1], 20)).interval
    assert 0 < low < WEIGHT / 2 < high < WEIGHT


def test_a_single_keyword_tells_next_to_nothing():
    low, high = detection(np.arange(50.0), np.arange(50) == 30).interval
    assert low < 0.05 * WEIGHT
    assert high > 0.95 * WEIGHT


def test_the_interval_agrees_with_a_bootstrap():
    scores, labels = example(400, 1200, apart=3.0)
    rng = np.random.default_rng(1)
    values = []
    for _ in range(400):
        chosen = np.concatenate([rng.integers(0, 400, 400), rng.integers(400, 1600, 1200)])
        values.append(math.log(au_fa_fr(scores[chosen], labels)))
    low, high = detection(scores, labels, level=0.6827).interval
    assert math.log(high / low) / 2 == pytest.approx(np.std(values), rel=0.15)


# Groups.


@given(clips())
def test_a_group_for_every_clip_is_no_grouping(data):
    scores, labels = data
    found = detection(scores, labels, groups=[f"voice {i}" for i in range(len(scores))])
    assert found.interval == detection(scores, labels).interval
    assert found.groups == len(scores)


@given(clips(), st.integers(2, 4))
def test_copies_of_a_clip_in_one_group_add_no_certainty(data, times):
    scores, labels = data
    copies = detection(
        np.repeat(scores, times),
        np.repeat(labels, times),
        groups=np.repeat(np.arange(len(scores)), times).tolist(),
    )
    assert copies.interval == pytest.approx(detection(scores, labels).interval, rel=1e-6)


def test_copies_without_groups_pretend_to_certainty():
    scores, labels = example(50, 150)
    one = detection(scores, labels).interval
    four = detection(np.repeat(scores, 4), np.repeat(labels, 4)).interval
    assert math.log(four[1] / four[0]) < 0.6 * math.log(one[1] / one[0])


def test_grouped_variance_is_obuchowskis():
    scores, labels = example(60, 180)
    groups = np.arange(240) % 7
    psi = pairs(scores, labels)
    rate, m, n = psi.mean(), *psi.shape
    rows = [(psi.mean(axis=1) - rate)[groups[:60] == g].sum() for g in range(7)]
    columns = [(psi.mean(axis=0) - rate)[groups[60:] == g].sum() for g in range(7)]
    s10 = 7 / (6 * m) * sum(r * r for r in rows)
    s01 = 7 / (6 * n) * sum(c * c for c in columns)
    s11 = 7 / 6 * sum(r * c for r, c in zip(rows, columns, strict=True))
    deviation = math.sqrt(s10 / m + s01 / n + 2 * s11 / (m * n))
    squares = np.array([(r / m + c / n) ** 2 for r, c in zip(rows, columns, strict=True)])
    excess = (squares**2).sum() - squares.sum() ** 2 / 7
    degrees = min(6, 2 * squares.sum() ** 2 / excess)
    low, high = detection(scores, labels, groups=groups.tolist(), level=0.8).interval
    assert math.log(high / low) / 2 == pytest.approx(
        stats.t.ppf(0.9, degrees) * deviation / rate, rel=1e-9
    )


def test_one_group_says_that_anything_is_possible():
    scores, labels = example(20, 60)
    assert detection(scores, labels, groups=["one voice"] * 80).interval == (0.0, WEIGHT)


# The ratio.


def test_the_ratio_has_delongs_paired_covariance():
    scores, labels = example(80, 240)
    base = scores + np.random.default_rng(5).normal(size=320)
    ours_psi, base_psi = pairs(scores, labels), pairs(base, labels)
    # The variance of a difference contains the covariance of its parts.
    placements = [
        ours_psi.mean(axis=axis) / ours_psi.mean() - base_psi.mean(axis=axis) / base_psi.mean()
        for axis in (1, 0)
    ]
    spread = spread_by_the_book(*placements, level=0.6)
    found = ratio(scores, base, labels, level=0.6)
    value = ours_psi.mean() / base_psi.mean()
    assert found.value == pytest.approx(value)
    assert found.interval == pytest.approx((value * math.exp(-spread), value * math.exp(spread)))
    assert found.numerator == detection(scores, labels, level=0.6)
    assert found.denominator == detection(base, labels, level=0.6)


def test_pairing_makes_the_ratio_surer_than_its_parts():
    scores, labels = example(200, 600)
    base = scores + 0.2 * np.random.default_rng(5).normal(size=800)
    found = ratio(scores, base, labels)
    for alone in (found.numerator.interval, found.denominator.interval):
        assert math.log(found.interval[1] / found.interval[0]) < 0.6 * math.log(alone[1] / alone[0])


@given(clips())
def test_a_detector_equals_itself_exactly(data):
    scores, labels = data
    assume(au_fa_fr(scores, labels) > 0)
    found = ratio(np.exp(scores), scores, labels)
    assert found.value == 1.0
    assert found.interval is None or found.interval[0] <= 1 <= found.interval[1]
    if min(labels.sum(), (1 - labels).sum()) > 1:
        assert found.interval == (1.0, 1.0)


def test_swapping_the_detectors_inverts_the_ratio():
    scores, labels = example(100, 300)
    base = scores + np.random.default_rng(5).normal(size=400)
    one, other = ratio(scores, base, labels), ratio(base, scores, labels)
    assert one.value == pytest.approx(1 / other.value)
    assert one.interval == pytest.approx((1 / other.interval[1], 1 / other.interval[0]))


def test_a_perfect_baseline_leaves_the_ratio_undefined():
    scores, labels = example(100, 300)
    for ours in (scores, labels):
        found = ratio(ours, labels, labels)
        assert found.value is None
        assert found.interval is None
        assert found.denominator.value == 0.0
        assert found.numerator.value == au_fa_fr(ours, labels)


def test_a_perfect_detector_is_bounded_from_above():
    base, labels = example(500, 1500, apart=1.5)
    found = ratio(labels, base, labels)
    assert found.value == 0.0
    low, high = found.interval
    assert low == 0.0
    # Both ends hold at once: 97.5% each (Bonferroni).
    upper = detection(labels, labels, level=0.975).interval[1]
    assert high == pytest.approx(upper / detection(base, labels, level=0.975).interval[0])
    assert high < 1


def test_clips_too_few_for_any_bound_give_none():
    found = ratio([0, 1, 2], [0, 1, 2], [1, 0, 0])
    assert found.value == 1.0
    assert found.interval is None or found.interval[1] > 1


# Coverage over many sets; slow.


@pytest.mark.slow
@pytest.mark.parametrize("positives", [200, 1000])
def test_intervals_cover_the_truth(positives):
    rng = np.random.default_rng(positives)
    labels = np.repeat([1, 0], [positives, 3 * positives])
    truth = WEIGHT * stats.norm.cdf(-4.0 / math.sqrt(2))
    area = ratios = 0
    for _ in range(400):
        shared, one, two = rng.normal(size=(3, len(labels))) * math.sqrt(0.5)
        found = ratio(shared + one + 4 * labels, shared + two + 4 * labels, labels)
        area += found.numerator.interval[0] <= truth <= found.numerator.interval[1]
        ratios += found.interval[0] <= 1 <= found.interval[1]
    # 400 sets at 95%: four standard deviations are 4.4 points.
    assert 0.905 <= area / 400 <= 0.995
    assert 0.905 <= ratios / 400 <= 0.995


@pytest.mark.slow
def test_with_voices_only_the_grouped_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    voices, positives = 100, 1000
    labels = np.repeat([1, 0], [positives, 3 * positives])
    groups = np.arange(len(labels)) % voices
    truth = WEIGHT * stats.norm.cdf(-4.0 / math.sqrt(2 + 1))
    grouped = naive = 0
    for _ in range(200):
        scores = rng.normal(size=len(labels)) + labels * (4 + rng.normal(size=voices)[groups])
        low, high = detection(scores, labels, groups=groups.tolist()).interval
        grouped += low <= truth <= high
        low, high = detection(scores, labels).interval
        naive += low <= truth <= high
    assert grouped / 200 >= 0.85
    assert naive / 200 <= 0.75


@pytest.mark.slow
def test_a_hundred_times_faster_than_the_loop_at_twenty_thousand_clips():
    speed = benchmark().speed(clips=20_000, repeats=1)
    assert speed.largest_difference <= 1e-12
    assert speed.times_faster >= 100


def test_the_docs_carry_the_benchmarks_tables():
    module = benchmark()
    page = module.DOCS.read_text(encoding="utf-8")
    tables = page.split("<!-- begin: au_fa_fr -->")[1].split("<!-- end: au_fa_fr -->")[0]
    for positives in ("100", "200", "500", "1,000", "2,000", "4,000", "8,000"):
        assert f"\n| {positives} | " in tables


def benchmark() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "au_fa_fr.py"
    spec = importlib.util.spec_from_file_location("au_fa_fr_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
