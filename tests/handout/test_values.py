"""Numbers of a lecture come from the lesson, and a wrong name is found with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.handout import document, measured
from grader.handout.measured import Cell
from grader.handout.values import Values, filters
from grader.lesson import loading
from grader.lesson.loading import Lesson
from grader.text import Lang
from grader.text.errors import SpecError
from tests.handout.conftest import LECTURES, Course
from tests.handout.kept import differences

PAGE = Path("handout.en.md")
TABLE = """\
<!-- begin: times -->
| model | MACs | faster |
|---|---:|---:|
| student A | 105,520 | 1.70 |
| `GRU` | 12\u00a0000 | – |

Measured: here.
<!-- end: times -->
"""


@pytest.fixture(scope="module")
def distillation() -> Lesson:
    return loading.load("distillation")


def filled(text: str, of: Lesson, lang: Lang = "en") -> str:
    return Values(of, lang, measured.tables(TABLE)).fill(text, PAGE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ gate.factor }}", "1.1"),
        ("{{ (gate.factor - 1) | percent }}", "10%"),
        ("{{ terms.compression.formula }}", "3.5 * min(compression / 10, 1)"),
        ("{{ settings.repeat_tolerance | exponent }}", "1e-4"),
        ("{{ settings.hidden.positives | number }}", "4,000"),
        ("{{ max_score }} {{ title }}", "7 Distillation: a small keyword spotter from a large one"),
        ("{{ score(compression=5, speedup=100) }}", "5.25"),
        ('{{ measured("times", "student A", "faster") }}', "1.70"),
        ('{{ measured("times", "student A", "MACs") + 1 }}', "105521"),
        ('{{ measured("times", "`GRU`", 1) | number }}', "12,000"),
        ('{{ measured("times", "`GRU`", "faster") }}', "–"),
        ('{{ "{{" }} and \\frac{e^{v/T}}{2}', "{{ and \\frac{e^{v/T}}{2}"),
    ],
)
def test_a_value_is_the_lessons(text: str, expected: str, distillation: Lesson) -> None:
    assert filled(text, distillation) == expected


def test_numbers_are_written_as_the_language_does(distillation: Lesson) -> None:
    text = "{{ 16000.5 | fixed(1) }} {{ 0.097 | percent(1) }} {{ 1234.5 | number }}"
    assert filled(text, distillation, "en") == "16,000.5 9.7% 1,234.5"
    assert filled(text, distillation, "ru") == "16\u00a0000,5 9,7% 1\u00a0234,5"
    assert filled("{{ title }}", distillation, "ru").startswith("Дистилляция")


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("nothing", "'nothing' is undefined"),
        ("gate.facto", "no attribute 'facto'"),
        ("terms.speed.formula", "no attribute 'speed'"),
        ("1 / 0", "division by zero"),
        ("gate", "is dict, not a number or a text"),
        ("a b", "expected"),
        ('measured("x", "student A", "faster")', "no measured table 'x' among times"),
        ('measured("times", "B", "faster")', "no single row 'B' among student A"),
        ('measured("times", "student A", "slower")', "no single column 'slower' among model"),
        ("figures.nothing.x", "no file figures/nothing"),
        ("score(compression=1)", "speedup"),
        ('"".__class__.__mro__', "unsafe"),
    ],
)
def test_an_expression_without_a_value_is_named_with_its_line(
    expression: str, reason: str, distillation: Lesson
) -> None:
    with pytest.raises(SpecError) as caught:
        filled(f"one\n\ntwo {{{{ {expression} }}}}\n", distillation)
    said = str(caught.value)
    assert said.startswith("handout.en.md:3: ")
    assert expression in said
    assert reason in said or reason == "expected"
    assert caught.value.to("ru") != said


@given(st.floats(-1e9, 1e9).map(lambda value: round(value, 3)))
def test_a_formatted_number_reads_back(value: float) -> None:
    for lang, space, point in (("en", ",", "."), ("ru", "\u00a0", ",")):
        text = str(filters(lang)["number"](value))
        assert float(text.replace(space, "").replace(point, ".")) == pytest.approx(value, abs=1e-3)


def test_a_cell_keeps_the_digits_of_its_table() -> None:
    cell = measured.value("1.70")
    assert isinstance(cell, Cell)
    assert (float(cell), str(cell), f"{cell}", f"{cell:.1f}") == (1.7, "1.70", "1.70", "1.7")
    assert measured.value("1.71–1.72") == "1.71–1.72"


def test_files_of_figures_and_the_lessons_own_values(course: Course) -> None:
    (course.folder / "figures").mkdir(exist_ok=True)
    (course.folder / "figures" / "board.json").write_text('{"ms": 14.72}', encoding="utf-8")
    (course.folder / "figures" / "zoo.toml").write_text(
        'cpu = { en = "laptop", ru = "ноутбук" }', encoding="utf-8"
    )
    (course.folder / "handout_figures.py").write_text(
        "def values(lesson):\n    return {'doubled': 2 * lesson.spec.max_score}\n", encoding="utf-8"
    )
    text = "{{ figures.board.ms }} {{ figures.zoo.cpu }} {{ computed.doubled }}"
    assert Values(course.lesson, "ru").fill(text, PAGE) == "14,72 ноутбук 14"
    with pytest.raises(SpecError, match=r"values\(lesson\) gives no 'tripled'"):
        Values(course.lesson, "ru").fill("{{ computed.tripled }}", PAGE)


@pytest.mark.parametrize(("name", "lang"), LECTURES)
def test_every_value_of_the_course_has_one(name: str, lang: Lang) -> None:
    assert "{{" not in document.read(loading.load(name), lang).text


@pytest.mark.parametrize("name", sorted({name for name, _ in LECTURES}))
def test_measured_tables_are_those_that_the_benchmarks_kept(name: str) -> None:
    assert differences(loading.load(name).folder) == []


def test_an_edit_of_a_measured_figure_by_hand_is_noticed(course: Course) -> None:
    shown = measured.tables((course.folder / "handout.en.md").read_text(encoding="utf-8"))[
        "latency"
    ].rows[1][5]
    course.change("assignments/distillation/handout.en.md", f"| {shown} |", "| 9.99 |")
    (found,) = differences(course.folder)
    assert (found.page.name, found.table) == ("handout.en.md", "latency")


def test_a_benchmark_keeps_the_table_that_it_writes(course: Course) -> None:
    page = course.folder / "handout.ru.md"
    page.write_text(f"# Страница\n\n{TABLE}", encoding="utf-8")
    measured.keep(page, "times")
    other = course.folder / "handout.en.md"
    other.write_text(f"# Page\n\n{TABLE}", encoding="utf-8")
    measured.keep(other, "times")
    assert not any(one.table == "times" for one in differences(course.folder))
    course.change("assignments/distillation/handout.ru.md", "1.70", "1.80")
    assert any(one.table == "times" for one in differences(course.folder))
