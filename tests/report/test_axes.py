from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.report.charts import axes

sizes = st.floats(1e-250, 1e250)
some = st.lists(sizes, min_size=1, max_size=20)


@given(some, st.sampled_from(["log", "linear"]), st.integers(3, 8))
@settings(max_examples=300)
def test_an_axis_holds_its_values_and_has_ticks(
    values: list[float], scale: axes.Scale, ticks: int
) -> None:
    axis = axes.axis("x", values, "en", scale, ticks=ticks)
    assert axis.low <= min(values)
    assert max(values) <= axis.high
    places = [at for at, _ in axis.ticks]
    assert 2 <= len(places) <= ticks + 4
    assert all(a < b for a, b in pairwise(places))
    assert all(0 <= axis.place(value) <= 1 for value in values)


@given(some)
def test_larger_values_never_lie_further_left(values: list[float]) -> None:
    axis = axes.axis("x", values, "en", axes.fitting_scale(values))
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)


def test_a_value_is_found_again_where_it_was_placed() -> None:
    for scale in ("log", "linear"):
        axis = axes.axis("x", [0.02, 35.0], "en", scale)
        assert axis.value(axis.place(3.0)) == pytest.approx(3.0)


def test_what_has_no_place_on_a_log_axis_is_put_on_its_edge() -> None:
    axis = axes.axis("x", [0.0, 1e-4, 1.0, math.inf, math.nan], "en", "log")
    assert axis.scale == "log"
    assert axis.place(0.0) == 0.0
    assert axis.place(-3.0) == 0.0
    assert axis.place(math.nan) == 0.0
    assert axis.place(math.inf) == 1.0
    assert axes.leaves_out(axis, [0.0, 1.0])


def test_a_log_axis_without_a_positive_value_becomes_linear() -> None:
    assert axes.axis("x", [0.0, -1.0], "en", "log").scale == "linear"
    assert axes.axis("x", [], "en", "log").scale == "linear"


def test_a_frame_puts_data_where_it_puts_its_ticks() -> None:
    x = axes.axis("x", [1.0, 1e4], "en", "log")
    y = axes.axis("y", [0.0, 10.0], "en", "linear")
    frame = axes.frame(x, y)
    for at, text in x.ticks:
        left, _ = frame.at(at, y.low)
        assert f'<text class="tick" x="{left:.1f}"' in frame.body, text
        assert f'<path class="grid" d="M{left:.1f} {frame.bottom:g}V{frame.top:g}"/>' in frame.body
    for at, _ in y.ticks:
        _, height = frame.at(x.low, at)
        assert f"M{frame.left:g} {height:.1f}H{frame.right:g}" in frame.body


def test_a_frame_holds_every_tick_label_within_its_size() -> None:
    x = axes.axis("x", [1.0, 1e4], "ru", "log")
    frame = axes.frame(x, axes.axis("y", [2.4e-5, 1e-3], "ru", "log"))
    for left, top in re.findall(r'x="([\d.]+)" y="([\d.]+)"', frame.body):
        assert 0 <= float(left) <= frame.width
        assert 0 <= float(top) <= frame.height


@pytest.mark.parametrize("label", ["$\\frac{1}{0}$", "<b>&", "a\x00\u202eb", "$" * 3, "_^"])
def test_labels_are_text_and_never_mathematics_or_markup(label: str) -> None:
    x = axes.Axis(label, "linear", 0.0, 1.0, ((0.0, label), (1.0, "1")))
    body = axes.frame(x, axes.axis("y", [1.0], "en", "linear")).body
    assert "<b>" not in body
    assert "\x00" not in body
    assert "\u202e" not in body
    if "frac" in label:
        assert label in body


def test_reports_draw_their_charts_without_matplotlib() -> None:
    modules = Path(axes.__file__).parents[1].rglob("*.py")
    assert [path for path in modules if "matplotlib" in path.read_text(encoding="utf-8")] == []
