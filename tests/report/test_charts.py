"""Bars, heat maps and tables of words, as a reader of the page meets them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.lesson import loading
from grader.lesson.grades import Axis, Figure, Series, from_json, to_json
from grader.lesson.spec import LessonSpec
from grader.report import student_page
from grader.report.charts import figures
from grader.report.charts.bars import MOST_ROWS
from grader.report.charts.drawing import Plot, ems, fitted
from grader.report.labels import Labels
from grader.text import Text, verbatim
from grader.text.untrusted import name
from tests.report import browser, factory
from tests.report.markup import Document, sound
from tests.report.test_hostile import assert_readable

KINDS = ("bars", "heatmap", "table")
EN = Labels("en")


@pytest.fixture(scope="module")
def spec() -> LessonSpec:
    return loading.load("distillation").spec


def both(text: str) -> Text:
    return verbatim(text)


def bars(names: list[str], *series: Series, scale: str = "linear") -> Figure:
    return Figure("bars", both("Bars"), "bars", Axis(both("cycles"), "B", scale),  # type: ignore[arg-type]
                  Axis(both("layer")), list(series), rows=[both(one) for one in names])  # fmt: skip


def heat(rows: list[str], columns: list[str], counts: list[list[float]]) -> Figure:
    cells = [(x, y, n) for y, row in enumerate(counts) for x, n in enumerate(row) if n]
    series = Series(both("predicted"), "submission", [float(x) for x, *_ in cells],
                    [float(y) for _, y, _ in cells], values=[n for *_, n in cells])  # fmt: skip
    return Figure("heat", both("Heat"), "heatmap", Axis(both("predicted")), Axis(both("right")),
                  [series], rows=[both(one) for one in rows],
                  columns=[both(one) for one in columns])  # fmt: skip


def table(rows: list[str], left: list[str], right: list[str]) -> Figure:
    columns = [Series(both("board"), "submission", [], [], left),
               Series(both("real"), "reference", [], [], right)]  # fmt: skip
    return Figure("table", both("Words"), "table", Axis(both("")), Axis(both("query")), columns,
                  rows=[both(one) for one in rows])  # fmt: skip


def of(kind: str, text: str) -> Figure:
    """A figure that says `text` wherever a figure can."""
    labels = [Series(both(text), "submission", [3.0, 0.0], [0.0, 1.0], [text] * 2, values=[3.0, 1]),
              Series(both(text), "reference", [1.0], [1.0], [text], values=[0.0])]  # fmt: skip
    axis = Axis(both(text), text, "log")
    return Figure(text, both(text), kind, axis, axis, labels, both(text),  # type: ignore[arg-type]
                  [both(text)] * 2, [both(text)] * 2)  # fmt: skip


def page_of(spec: LessonSpec, *shown: Figure) -> str:
    grade = msgspec.structs.replace(factory.graded(), figures=list(shown))
    return student_page(grade, spec, "en")


def drawn(figure: Figure) -> Plot:
    return figures.CHARTS[figure.kind](figure, EN)


def texts(plot: Plot, kind: str) -> list[str]:
    page = Document(str(plot.svg))
    kinds = [attributes["class"] for tag, attributes in page.elements if tag == "text"]
    said = [text for tag, text in page.texts if tag == "text"]
    return [text for text, one in zip(said, kinds, strict=True) if kind in one.split()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", factory.HOSTILE, ids=range(len(factory.HOSTILE)))
def test_hostile_text_is_shown_and_does_nothing(spec: LessonSpec, kind: str, text: str) -> None:
    source, plain = page_of(spec, of(kind, text)), page_of(spec, of(kind, "harmless"))
    page = sound(source)
    assert page.tags <= sound(plain).tags
    assert page.all("script") == []
    assert name(text).strip() in "".join(said for _, said in page.texts)
    assert_readable(source)
    assert len(source) < len(plain) + 20_000


@pytest.mark.parametrize("figure", [bars([]), heat([], [], []), table([], [], [])])
def test_without_data_there_is_still_a_sound_page(spec: LessonSpec, figure: Figure) -> None:
    assert "nan" not in sound(page_of(spec, figure)).words
    assert drawn(figure).table is None


def test_one_bar_has_its_name_its_number_and_a_row_of_the_table() -> None:
    one = drawn(bars(["conv"], Series(both("measured"), "submission", [1234.0], [0.0])))
    assert texts(one, "row") == ["conv"]
    assert texts(one, "amount") == ["1,234"]
    assert one.table is not None
    assert one.table.head == ["layer", "measured, B"]
    assert one.table.rows == [["conv", "1,234"]]
    assert 'role="img"' in one.svg
    assert "conv: measured 1,234" in one.svg


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_longer_bar_is_for_a_greater_number(scale: str) -> None:
    values = [0.0, 10.0, 200.0, 30_000.0]
    series = Series(both("m"), "submission", values, [0.0, 1.0, 2.0, 3.0])
    page = Document(str(drawn(bars(list("abcd"), series, scale=scale)).svg))
    long = [float(box["width"]) for box in page.all("rect") if "amount" in box["class"]]
    assert long == sorted(long)
    assert long[0] <= 0.5
    assert (long[1] > 20) == (scale == "log")


def test_what_is_no_number_or_has_no_row_is_not_drawn() -> None:
    series = Series(both("m"), "submission", [1.0, float("nan"), 2.0, 3.0], [0.0, 1.0, 9.0, -1.0])
    plot = drawn(bars(["a", "b"], series))
    assert texts(plot, "amount") == ["1"]
    assert plot.table is not None
    assert plot.table.rows[1] == ["b", "—"]


def test_rows_that_are_not_drawn_are_counted() -> None:
    count = MOST_ROWS + 7
    series = Series(both("m"), "submission", [1.0] * count, [float(at) for at in range(count)])
    plot = drawn(bars([f"r{at}" for at in range(count)], series))
    assert len(texts(plot, "row")) == MOST_ROWS
    assert plot.note == "7 others"


def test_a_cell_says_its_share_and_the_table_its_count() -> None:
    plot = drawn(heat(["A", "B", "C"], ["A", "B"], [[300, 1], [50, 50], [0, 0]]))
    assert texts(plot, "share") == ["100", "<1", "50", "50"]
    assert plot.table is not None
    assert plot.table.head == ["right → predicted", "A", "B", "Total"]
    assert plot.table.rows == [
        ["A", "300", "1", "301"], ["B", "50", "50", "100"], ["C", "0", "0", "0"],
    ]  # fmt: skip
    framed = [box for box in Document(str(plot.svg)).all("rect") if "same" in box["class"]]
    assert len(framed) == 2
    assert "A → B: 1 / 301 (&lt;1%)" in plot.svg


def test_a_table_of_words_is_shown_unfolded(spec: LessonSpec) -> None:
    page = sound(page_of(spec, table(["hello", "bye"], ["HI"], ["HI", "BYE"])))
    assert "query board real hello HI HI bye — BYE" in page.words
    assert page.all("summary") == sound(page_of(spec)).all("summary")


def test_a_grade_from_before_there_were_rows_is_read() -> None:
    grade = factory.graded()
    raw = json.loads(to_json(grade))
    for figure in raw["figures"]:
        del figure["rows"], figure["columns"]
        for series in figure["series"]:
            del series["values"]
    assert raw["figures"]
    assert from_json(json.dumps(raw).encode()) == grade


@given(st.text(alphabet=st.characters(), max_size=80), st.floats(2, 20))
def test_a_name_takes_no_more_room_than_there_is(text: str, most: float) -> None:
    shown = fitted(text, most)
    assert ems(shown) <= most
    assert len(shown) <= 24


WIDE = ("W" * 60, "深度学習" * 9, "Щ" * 40, "__vector_18_of_a_long_table", "a", "M@%")


@pytest.mark.skipif(browser.executable() is None, reason="no Chromium here")
def test_labels_do_not_overlap_in_a_browser(spec: LessonSpec, tmp_path: Path) -> None:
    places = [float(at) for at in range(len(WIDE))]
    values = [3.0, 123_456_789.0, 0.0, 25_000.5, 1e9, 70.0]
    letters = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ01234!?", "end"]
    count = len(letters)
    shown = [
        bars(list(WIDE), Series(both("measured"), "submission", values, places),
             Series(both("estimated"), "reference", values[::-1], places), scale=scale)
        for scale in ("linear", "log")
    ]  # fmt: skip
    shown += [
        heat(letters, letters, [[1.0 + 99 * (x == y) for x in range(count)] for y in range(count)]),
        heat(list(WIDE), list(WIDE), [[1.0] * len(WIDE)] * len(WIDE)),
        table(list(WIDE), list(WIDE), list(WIDE)),
    ]
    path = tmp_path / "report.html"
    path.write_text(page_of(spec, *shown), encoding="utf-8")
    with browser.page() as page:
        page.open(path)
        for width in (1100, 700, 390):
            assert browser.overlaps(page, width) == []
        page.send("Emulation.setDeviceMetricsOverride", width=390, height=844,
                  deviceScaleFactor=1, mobile=True)  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
