from __future__ import annotations

import math

import pytest

from grader.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (70_443, "70\u00a0443"),
        (913_920.0, "913\u00a0920"),
        (12.0449, "12,04"),
        (0.91372, "0,9137"),
        (5.1266e-5, "5,13×10⁻⁵"),
        (-0.25, "−0,25"),
        (1e20, "1,00×10²⁰"),
        (math.inf, "∞"),
        (math.nan, "—"),
        (None, "—"),
    ],
)
def test_a_number_is_typeset(value: float | None, text: str) -> None:
    assert numbers.number(value, "ru") == text


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (12.0449, "{:.2f}x", "12,04×"),
        (281_772.0, "{:,.0f}", "281\u00a0772"),
        (5.1266e-5, "{:.2e}", "5,13×10⁻⁵"),
        (2.5, "{:.0q}", "2,5"),
        (2.5, "{broken", "2,5"),
        (None, "{:.2f}x", "—"),
    ],
)
def test_a_lessons_own_format_is_typeset_too(value: float | None, pattern: str, text: str) -> None:
    assert numbers.formatted(value, pattern, "ru") == text


def test_an_interval_writes_a_common_power_of_ten_once() -> None:
    assert numbers.interval((3.12e-5, 5.8e-5), "en") == "3.12 … 5.80×10⁻⁵"
    assert numbers.interval((8.6e-5, 1.4e-4), "en") == "8.60×10⁻⁵ … 1.40×10⁻⁴"
    assert numbers.interval((0.0475, 0.0503), "ru") == "0,0475 … 0,0503"
    assert numbers.interval(None, "en") == "—"


def test_a_score_shows_three_decimals_at_most() -> None:
    assert numbers.points(6.47745, "en") == "6.477"
    assert numbers.points(7.0, "en") == "7"
    assert numbers.points(-0.0, "en") == "0"


def test_axis_labels_are_short_in_both_languages() -> None:
    assert numbers.short(20_000, "en") == "20\u202fk"
    assert numbers.short(1_000_000, "ru") == "1\u202fмлн"
    assert numbers.short(1e-5, "ru") == "10⁻⁵"
    assert numbers.short(0.1, "en", powers=True) == "10⁻¹"
    assert numbers.short(2.5e-5, "ru") == "2,5×10⁻⁵"


def test_english_has_a_point_and_a_comma() -> None:
    assert numbers.number(70_443, "en") == "70,443"
    assert numbers.formatted(12.0449, "{:.2f}x", "en") == "12.04×"
    assert numbers.percent(1, 40, "en") == "2.5%"
    assert numbers.percent(1, 40, "ru") == "2,5%"
