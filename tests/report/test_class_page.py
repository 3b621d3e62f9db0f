from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from grader.lesson import loading, scoring
from grader.lesson.grades import Status, to_json
from grader.lesson.spec import LessonSpec
from grader.report import class_page, write
from grader.report.charts.tradeoffs import front
from grader.report.classroom import questions
from grader.report.labels import OUTCOMES, Labels, outcome
from grader.report.numbers import Metric
from grader.text import Lang, Text, languages
from tests.report import factory
from tests.report.markup import Document, sound


@pytest.fixture(scope="module")
def spec() -> LessonSpec:
    return loading.load("distillation").spec


def leaderboard(page: str) -> list[str]:
    body = page[page.index('<table id="board"') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    return re.findall(r'<th scope="row"><bdi>(?:<a [^>]*>)?([^<]*)', body)


@pytest.mark.parametrize("lang", languages())
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
    worth = [scoring.rank_value(grades[name], spec) or 0.0 for name in order]
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
        if grade.reason.to("ru"):
            assert grade.reason.to("ru").replace("`", " ").split()[-1] in words
    assert "За 180 с модель ответила на 2 304 записи из 16 000." in words
    assert "сбой дала сама проверка: 1" in words


def test_grades_from_different_data_are_called_incomparable(spec: LessonSpec) -> None:
    grades = factory.class_of(4)
    other = msgspec.structs.replace(grades[0].provenance, data="fsdd/hidden:00")
    mixed = [msgspec.structs.replace(grades[0], provenance=other), *grades[1:]]
    assert "not comparable" in class_page(mixed, spec, "en")
    assert "not comparable" not in class_page(grades, spec, "en")


@pytest.mark.parametrize("lang", languages())
def test_checks_are_counted_and_the_most_failed_comes_first(spec: LessonSpec, lang: Lang) -> None:
    grades = [grade for grade in factory.class_of(60) if grade.status == "graded"]
    failed = Counter(one.name for grade in grades for one in grade.checks if not one.passed)
    found = questions(factory.class_of(60))
    assert [one.failed for one in found] == sorted(failed.values(), reverse=True) + [0] * (
        len(found) - len(failed)
    )
    assert {one.name: one.failed for one in found if one.failed} == dict(failed)
    assert {one.asked for one in found} == {len(grades)}
    words = sound(class_page(factory.class_of(60), spec, lang)).words
    first = found[0]
    of = {"en": "of", "ru": "из"}[lang]
    assert f"{first.title.to(lang)} {Labels(lang)('check_hidden')} {first.failed}" in words
    assert f"{first.failed} {of} {len(grades)}" in words


def test_a_check_that_only_some_have_is_counted_over_those() -> None:
    with_it, without = factory.graded("a"), factory.graded("b")
    extra = msgspec.structs.replace(
        with_it.checks[0], name="extra", points=1.0, max_points=4.0, passed=False
    )
    with_it = msgspec.structs.replace(with_it, checks=[*with_it.checks, extra])
    found = {one.name: one for one in questions([with_it, without])}["extra"]
    assert (found.asked, found.failed, found.share, found.points) == (1, 1, 1.0, 1.0)


def test_one_reason_for_many_is_said_once(spec: LessonSpec) -> None:
    reason = Text.in_languages({"en": "No model was found.", "ru": "Модель не найдена."})
    many = [factory.stopped(f"s{at:02d}", Status.REJECTED, reason) for at in range(30)]
    other = factory.stopped(
        "t", Status.CRASHED, Text.in_languages({"en": "It stopped.", "ru": "Остановилась."})
    )
    page = sound(class_page([*many, other], spec, "en"))
    assert page.words.count("No model was found.") == 1
    assert "30 submissions s00, s01" in page.words.replace(" ,", ",")
    assert "and 18 more" in page.words
    assert page.words.index("No model was found.") < page.words.index("It stopped.")


def test_the_page_leads_to_similar_pairs_where_there_is_one(
    spec: LessonSpec, tmp_path: Path
) -> None:
    (tmp_path / "grades").mkdir()
    (tmp_path / "grades" / "a.json").write_bytes(to_json(factory.graded("a")))
    index = write(tmp_path, spec, "en")
    assert "similar.html" not in index.read_text(encoding="utf-8")
    (tmp_path / "similar.html").write_text("pairs", encoding="utf-8")
    page = sound(write(tmp_path, spec, "en").read_text(encoding="utf-8"))
    assert "similar.html" in page.urls
    assert "Similar submissions" in page.words


def test_who_handed_in_nothing_is_named(spec: LessonSpec, tmp_path: Path) -> None:
    (tmp_path / "grades").mkdir()
    (tmp_path / "grades" / "a.json").write_bytes(to_json(factory.graded("Anna")))
    record = {
        "schema": 1,
        "students": [{"id": "1", "name": "Anna"}, {"id": "2", "name": "Боря"}, {"id": "3"}],
        "submissions": [{"name": "Anna", "students": ["1"]}],
        "missing": ["2", "3"],
    }
    (tmp_path / "handed_in.json").write_text(json.dumps(record), encoding="utf-8")
    source = write(tmp_path, spec, "en").read_text(encoding="utf-8")
    assert leaderboard(source) == ["Anna", "Боря", "3"]
    assert "Not submitted 2" in sound(source).words
    for damage in (b"", b"[]", b'{"missing": 3}'):
        (tmp_path / "handed_in.json").write_bytes(damage)
        assert leaderboard(write(tmp_path, spec, "en").read_text(encoding="utf-8")) == ["Anna"]


def test_the_data_of_a_page_are_those_of_its_rows(spec: LessonSpec) -> None:
    grades = factory.class_of(60)
    source = class_page(grades, spec, "en")
    raw = source.partition('id="data">')[2].partition("</script>")[0]
    rows = json.loads(raw)["rows"]
    assert [row[1] for row in rows] == leaderboard(source)
    by_name = {grade.submission.name: grade for grade in grades}
    names = [one.name for one in questions(grades)]
    for _, name, _, kind, failed, *cells in rows:
        grade = by_name[name]
        assert OUTCOMES[kind] == outcome(grade)
        assert {names[at] for at in failed} == {one.name for one in grade.checks if not one.passed}
        if grade.status != "grader_fault":
            assert cells[1] == pytest.approx(grade.score)
        values = [grade.value(column.name) for column in spec.report.columns]
        assert cells[4::3] == [None if one is None else pytest.approx(one) for one in values]


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
def test_no_point_of_the_front_is_dominated(
    lower_x: bool, lower_y: bool, expected: list[tuple[int, int]]
) -> None:
    points = [(1, 5), (2, 3), (2, 4), (4, 1), (3, 3), (3, 6), (5, 4), (5, 2), (1, 5)]
    x, y = (
        Metric("x", "x", "en", lower_is_better=lower_x),
        Metric("y", "y", "en", lower_is_better=lower_y),
    )
    assert front(points, x, y) == expected
