from __future__ import annotations

import base64
import hashlib
import random
import re

import pytest

from grader import lesson, ranking
from grader.lesson import LessonSpec
from grader.report import class_page
from grader.report.metrics import Metric
from grader.report.tradeoffs import front
from grader.text import LANGS, Lang
from tests.report import factory
from tests.report.markup import Document, sound


@pytest.fixture(scope="module")
def spec() -> LessonSpec:
    return lesson.load("distillation").spec


def leaderboard(page: str) -> list[str]:
    body = page[page.index('<table id="board"') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    return re.findall(r'<th scope="row"><bdi>(?:<a [^>]*>)?([^<]*)', body)


@pytest.mark.parametrize("lang", LANGS)
def test_the_class_page_is_sound_and_names_everybody(spec: LessonSpec, lang: Lang) -> None:
    grades = factory.class_of()
    hrefs = {grade.submission.name: f"reports/{index}.html" for index, grade in enumerate(grades)}
    page = sound(class_page(grades, spec, lang, hrefs))
    for grade in grades:
        assert grade.submission.name in page.words
    assert set(hrefs.values()) <= set(page.urls)


def test_the_order_of_grades_does_not_matter(spec: LessonSpec) -> None:
    grades = factory.class_of()
    shuffled = random.Random(3).sample(grades, len(grades))
    assert class_page(grades, spec, "en") == class_page(shuffled, spec, "en")


def test_the_leaderboard_puts_the_gate_first_then_uncapped_ratios(spec: LessonSpec) -> None:
    grades = {grade.submission.name: grade for grade in factory.class_of()}
    order = leaderboard(class_page(list(grades.values()), spec, "en"))
    assert sorted(order) == sorted(grades)
    groups = [
        0 if grade.gate and grade.gate.passed else 1 if grade.gate else 2
        for grade in map(grades.__getitem__, order)
    ]
    assert groups == sorted(groups)
    worth = [ranking.rank_value(grades[name], spec) or 0.0 for name in order]
    for group in (0, 1):
        found = [value for value, one in zip(worth, groups, strict=True) if one == group]
        assert found == sorted(found, reverse=True)
        assert max(found) > 10  # beyond the cap of the score


def test_columns_can_be_told_and_sorted_without_seeing_them(spec: LessonSpec) -> None:
    page = sound(class_page(factory.class_of(), spec, "en"))
    heads = [head for head in page.all("th") if "data-first" in head]
    assert len(heads) == 4 + len(spec.report.columns)
    assert [head.get("aria-sort") for head in heads].count("ascending") == 1
    assert page.all("input")[0]["id"] == "filter"
    assert {"for": "filter"} in page.all("label")


def test_only_our_own_script_may_run(spec: LessonSpec) -> None:
    source = class_page(factory.class_of(), spec, "en")
    script = source[source.index("<script>") + 8 : source.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = Document(source).all("meta")[1]["content"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_everything_that_was_not_graded_says_why(spec: LessonSpec) -> None:
    grades = factory.class_of()
    words = sound(class_page(grades, spec, "ru")).words
    for grade in grades:
        if grade.reason.ru:
            assert grade.reason.ru.replace("`", " ").split()[-1] in words
    assert "За 180 с модель ответила на 2 304 записи из 16 000." in words
    assert "сбой дала сама проверка: 1" in words


def test_grades_from_different_data_are_called_incomparable(spec: LessonSpec) -> None:
    import msgspec

    grades = factory.class_of(4)
    other = msgspec.structs.replace(grades[0].provenance, data="fsdd/hidden:00")
    mixed = [msgspec.structs.replace(grades[0], provenance=other), *grades[1:]]
    assert "not comparable" in class_page(mixed, spec, "en")
    assert "not comparable" not in class_page(grades, spec, "en")


def test_an_empty_class_has_a_page(spec: LessonSpec) -> None:
    assert "There are no grades yet." in sound(class_page([], spec, "en")).words


def test_a_class_where_nobody_was_graded_has_a_page(spec: LessonSpec) -> None:
    grades = [grade for grade in factory.class_of() if grade.status != "graded"]
    sound(class_page(grades, spec, "en"))


@pytest.mark.parametrize(
    ("lower_x", "lower_y", "expected"),
    [
        (True, True, [(1, 5), (2, 3), (4, 1)]),
        (False, False, [(5, 4), (3, 6)]),
        (True, False, [(1, 5), (3, 6)]),
    ],
)
def test_nobody_on_the_front_is_beaten_in_both(
    lower_x: bool, lower_y: bool, expected: list[tuple[int, int]]
) -> None:
    points = [(1, 5), (2, 3), (2, 4), (4, 1), (3, 3), (3, 6), (5, 4), (5, 2), (1, 5)]
    x, y = Metric("x", "x", lower_is_better=lower_x), Metric("y", "y", lower_is_better=lower_y)
    assert front(points, x, y) == expected
