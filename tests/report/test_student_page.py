from __future__ import annotations

import msgspec
import pytest

from grader.lesson import loading, scoring
from grader.lesson.grades import Check, Deduction, Grade, Layer, Status, from_json, to_json
from grader.lesson.spec import LessonSpec
from grader.report import student_page
from grader.text import EMPTY, Lang, Text, languages, verbatim
from tests.report import factory
from tests.report.markup import sound

both = pytest.mark.parametrize("lang", languages())


@pytest.fixture(scope="module")
def spec() -> LessonSpec:
    return loading.load("distillation").spec


def changed(grade: Grade, **values: object) -> Grade:
    return msgspec.structs.replace(grade, **values)


@both
@pytest.mark.parametrize("index", [0, 3, 6, 9, 13, 16, 19])
def test_every_ending_has_a_sound_page(spec: LessonSpec, lang: Lang, index: int) -> None:
    grade = factory.class_of()[index]
    page = sound(student_page(grade, spec, lang, factory.class_of(), "../index.html"))
    assert grade.submission.name in page.words
    assert page.all("html") == [{"lang": lang}]


def test_the_same_grade_gives_the_same_bytes(spec: LessonSpec) -> None:
    grade, group = factory.graded(), factory.class_of()
    first = student_page(grade, spec, "ru", group)
    again = student_page(from_json(to_json(grade)), spec, "ru", list(reversed(group)))
    assert first == again


def test_the_score_is_shown_with_its_formula_and_numbers(spec: LessonSpec) -> None:
    grade = factory.graded()
    compression, speedup = (grade.value(name) for name in ("compression", "speedup"))
    assert compression is not None
    assert speedup is not None
    words = sound(student_page(grade, spec, "en")).words
    assert "3.5 * min(compression / 10, 1)" in words
    assert f"3.5 × min({compression:.2f} / 10, 1) = 3.5" in words


def test_a_missed_gate_shows_by_how_much_and_the_lost_points(spec: LessonSpec) -> None:
    grade = factory.graded(misses=True, within_noise=False)
    assert grade.gate is not None
    grade = changed(grade, gate=msgspec.structs.replace(grade.gate, value=4 * factory.THRESHOLD))
    words = sound(student_page(grade, spec, "en")).words
    assert "Below the gate" in words
    assert "Missed: the value is 4× the threshold." in words
    assert "this counts 0 instead of 3.5." in words
    assert "within the noise" not in words


@pytest.mark.parametrize(
    ("misses", "sentence"),
    [(False, "This pass lies within the noise"), (True, "This miss lies within the noise")],
)
def test_a_result_within_the_noise_says_so(spec: LessonSpec, misses: bool, sentence: str) -> None:
    grade = factory.graded(misses=misses, within_noise=True)
    assert sentence in sound(student_page(grade, spec, "en")).words


def test_a_grader_fault_costs_no_points_and_shows_none(spec: LessonSpec) -> None:
    reason = Text.in_languages({"en": "The disk is full.", "ru": "Диск заполнен."})
    grade = factory.stopped("a", Status.GRADER_FAULT, reason)
    words = sound(student_page(grade, spec, "en")).words
    assert "costs no points" in words
    assert "not graded" in words
    assert "The disk is full." in words
    assert "0 of 7" not in words


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.GRADED])
def test_whatever_stopped_a_submission_comes_with_a_next_step(
    spec: LessonSpec, status: Status
) -> None:
    grade = factory.stopped(
        "a", status, Text.in_languages({"en": "It broke at `x`.", "ru": "Сломалось на `x`."})
    )
    source = student_page(grade, spec, "ru")
    assert "Сломалось на <code>x</code>." in source
    assert len(sound(source).words) > 300


def test_checks_have_their_result_in_words_and_failed_ones_come_first(spec: LessonSpec) -> None:
    def check(name: str, passed: bool) -> Check:
        title = verbatim(name)
        hint = (
            EMPTY
            if passed
            else Text.in_languages({"en": "Read the handout.", "ru": "Прочитайте лекцию."})
        )
        return Check(name, title, "public", 1.0 * passed, 1.0, passed, EMPTY, hint)

    grade = changed(factory.graded(), checks=[check("first", True), check("second", False)])
    words = sound(student_page(grade, spec, "en")).words
    assert "1 of 2 passed" in words
    assert words.index("Failed second") < words.index("Passed first")
    assert "Try next: Read the handout." in words


def test_a_student_sees_the_class_without_names(spec: LessonSpec) -> None:
    group = factory.class_of()
    grade = group[0]
    source = student_page(grade, spec, "en", group)
    assert "The rest of the class" in source
    for other in group[1:]:
        assert other.submission.name not in source
        assert other.submission.fingerprint not in source


def test_without_a_class_only_the_baseline_stands_beside(spec: LessonSpec) -> None:
    source = student_page(factory.graded(), spec, "en")
    assert "The rest of the class" not in source
    assert "Your model and the baseline." in source


def test_many_layers_are_summed_in_one_row_and_the_total_stays(spec: LessonSpec) -> None:
    layers = [Layer(f"layer{index}", "Conv", index, 2 * index, index) for index in range(100)]
    words = sound(student_page(changed(factory.graded(), layers=layers), spec, "en")).words
    assert "layer99" in words
    assert "layer3 " not in words
    assert "86 others" in words
    assert "Total 4,950 9,900 4,950" in words


def test_a_long_log_keeps_its_end(spec: LessonSpec) -> None:
    grade = changed(factory.graded(), log="x" * 100_000 + "the last line")
    source = student_page(grade, spec, "en")
    assert "the last line" in source
    assert "characters of the log are left out" in source
    assert len(source) < len(student_page(factory.graded(), spec, "en")) + 30_000


def test_deductions_beyond_the_terms_are_shown(spec: LessonSpec) -> None:
    grade = factory.graded()
    words = sound(student_page(changed(grade, score=grade.score - 1), spec, "en")).words
    assert "Deductions and additions −1" in words


@both
def test_every_deduction_has_a_line_with_its_reason(spec: LessonSpec, lang: Lang) -> None:
    late = Deduction(
        name="late",
        title=Text.in_languages({"en": "Deadline", "ru": "Срок сдачи"}),
        formula="0.1 * max_score * days_late",
        values={"days_late": 2.0},
        why=Text.in_languages({"en": "Handed in two days late.", "ru": "Сдано на два дня позже."}),
    )
    grade = scoring.taken_off(factory.graded(), spec, [late])
    words = sound(student_page(grade, spec, lang)).words
    assert grade.score == pytest.approx(sum(term.points for term in grade.terms) - 1.4)
    assert f"{late.title.to(lang)} {late.formula}" in words
    assert late.why.to(lang) in words
    assert "0.1 × 7 × 2 = 1.4" in words
    assert {"en": "−1.4", "ru": "−1,4"}[lang] in words
    assert "Deductions and additions" not in words


def test_a_grade_with_nothing_in_it_still_has_a_page(spec: LessonSpec) -> None:
    grade = factory.graded()
    bare = Grade(
        lesson=grade.lesson,
        submission=grade.submission,
        status=Status.GRADED,
        max_score=7.0,
        provenance=grade.provenance,
    )
    sound(student_page(bare, spec, "ru", [bare]))


def test_a_student_page_runs_no_script(spec: LessonSpec) -> None:
    source = student_page(factory.graded(), spec, "en")
    assert sound(source).all("script") == []
    assert "script-src 'none'" in source
