"""Numbers and dates as English and Russian write them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from grader.text.numbers import formatted, moment, number


@pytest.mark.parametrize(
    ("value", "spec", "english", "russian"),
    [
        (695_466, ",", "695,466", "695\u00a0466"),
        (-2.1, ".2f", "-2.10", "-2,10"),
        (0.123, ".1%", "12.3%", "12,3%"),
        (5.13e-5, ".2e", "5.13×10⁻⁵", "5,13×10⁻⁵"),
        (1_234_567.891, ",.1f", "1,234,567.9", "1\u00a0234\u00a0567,9"),
    ],
)
def test_formats(value: float, spec: str, english: str, russian: str) -> None:
    assert formatted(value, spec, "en") == english
    assert formatted(value, spec, "ru") == russian


def test_quantities_have_no_zeros_at_the_end() -> None:
    assert [number(value, "ru") for value in (7.0, 6.5, 0.1 + 0.2)] == ["7", "6,5", "0,3"]
    assert number(27_956, "en") == "27,956"


def test_a_moment_names_its_time_zone() -> None:
    when = datetime(2026, 6, 1, 9, 5, tzinfo=ZoneInfo("Europe/Moscow"))
    assert moment(when, "en") == "Jun 1, 2026, 09:05 MSK"
    assert moment(when, "ru") == "1 июн. 2026\u202fг., 09:05 MSK"
    assert moment(when.replace(tzinfo=None), "en") == "Jun 1, 2026, 09:05"
    assert moment(when, "xx") == moment(when, "en")
