"""The profiling lesson: three parts, each on its own, and a person's points beside them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from grader.handout import starter
from grader.lesson import formula, loading
from grader.lesson.grades import Grade, Status, from_json
from grader.report import student_page
from tests.conftest import Grader

LESSON = loading.load("profiling")
ANALYSIS = ("analysis.toml", "report.md", "model.onnx")


def graded(grader: Grader, folder: Path) -> Grade:
    done = grader("grade", "profiling", folder, "--json")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return from_json(done.stdout.encode())


def copied(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        shutil.copy(LESSON.reference / name, folder)
    return folder


def points(grade: Grade) -> dict[str, float]:
    return {term.name: term.points for term in grade.terms}


# What the lesson says -----------------------------------------------------------------------


def test_machine_and_person_add_up_to_ten() -> None:
    spec = LESSON.spec
    person = sum(one.max_points for one in spec.terms if "rubric" in formula.names(one.formula))
    assert (spec.max_score, person) == (10.0, 5.0)
    assert [one.max_points for one in spec.rubric] == [2.0] * 5


def test_checks_of_a_part_add_up_to_its_terms() -> None:
    settings, terms = LESSON.spec.settings, {one.name: one for one in LESSON.spec.terms}
    assert sum(settings["analysis"]["points"].values()) == pytest.approx(
        terms["analysis"].max_points
    )
    assert settings["profiler"]["points"] == terms["profiler"].max_points


def test_perfect_values_give_ten_and_nothing_gives_nothing() -> None:
    best = {
        "profiler": 1.0,
        "analysis": 1.0,
        "rubric": 10.0,
        "same_outputs": 1.0,
        "speedup": 8.0,
        "latency_ratio_b1": 1.5,
        "compression": 4.0,
    }
    spec = LESSON.spec
    assert spec.total(spec.score(best, gate_passed=True)) == pytest.approx(10.0)
    others = best | {"same_outputs": 0.0}
    assert spec.total(spec.score(others, gate_passed=True)) == pytest.approx(8.0)
    unchanged = dict.fromkeys(best, 0.0) | {"same_outputs": 1.0, "speedup": 1.0, "compression": 1.0}
    assert spec.total(spec.score(unchanged, gate_passed=True)) == 0.0


def test_readmes_state_the_points_and_rules_of_the_spec() -> None:
    copied = {str(path): content for path, content in starter.files(LESSON)}
    for name, person in (("README.md", "from a person"), ("README.ru.md", "от преподавателя")):
        text = copied[name].decode()
        assert person in text
        assert re.search(r"`profiler.py` \| 2 \|", text)
        assert re.search(r"`faster.py` \| 2 \|", text)
        for file in ("analysis.toml", "report.md", "profiler.py", "faster.py"):
            assert file in text
            assert (LESSON.template / file).is_file()


def test_reference_has_the_files_of_the_template() -> None:
    names = {path.name for path in LESSON.template.iterdir() if path.is_file()}
    names -= {"pytest.ini"}
    assert names <= {path.name for path in LESSON.reference.iterdir()}


def test_analysed_model_is_the_one_of_another_lesson() -> None:
    other = loading.load("distillation").folder / "baseline" / "speech-synthetic.onnx"
    assert (LESSON.reference / "model.onnx").read_bytes() == other.read_bytes()


# Parts on their own -------------------------------------------------------------------------


def test_analysis_alone_gets_all_of_its_points_and_the_other_parts_say_what_is_missing(
    grader: Grader, tmp_path: Path
) -> None:
    grade = graded(grader, copied(tmp_path / "hw", *ANALYSIS))
    assert grade.status is Status.GRADED
    assert points(grade)["analysis"] == pytest.approx(1.0)
    assert grade.score == pytest.approx(1.0)
    assert grade.pending == pytest.approx(5.0)
    said = " ".join(check.message.to("en") for check in grade.checks if not check.passed)
    assert "no profiler.py" in said
    assert "no faster.py" in said


def test_broken_analysis_costs_only_its_own_points(grader: Grader, tmp_path: Path) -> None:
    folder = copied(tmp_path / "hw", *ANALYSIS)
    (folder / "analysis.toml").write_text("schema = [", encoding="utf-8")
    grade = graded(grader, folder)
    assert points(grade)["analysis"] == pytest.approx(0.1)  # the report
    assert grade.status is Status.GRADED


def test_nothing_of_the_lesson_is_rejected_in_a_sentence_that_fits(
    grader: Grader, tmp_path: Path
) -> None:
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw" / "анализ.toml").write_text("", encoding="utf-8")
    grade = graded(grader, tmp_path / "hw")
    assert grade.status is Status.REJECTED
    assert "keep the names that the template gives" in grade.reason.to("en")


# A student's way, and the reference ---------------------------------------------------------


@pytest.mark.slow
def test_untouched_starter_is_told_what_to_do_and_scores_little(
    grader: Grader, tmp_path: Path
) -> None:
    folder = tmp_path / "hw"
    created = grader("new", "profiling", folder, "--lang", "ru")
    assert "README.ru.md" in created.stdout
    done = grader("check", "--json", cwd=folder)
    assert done.returncode == 1, done.stderr
    grade = from_json(done.stdout.encode())
    assert grade.score < 1
    failed = [check for check in grade.checks if not check.passed]
    assert any("'TODO'" in check.message.to("en") for check in failed)
    assert all(check.message.to("ru") for check in failed)
    tests = grader.python("-m", "pytest", "-q", cwd=folder)
    assert tests.returncode == 1
    assert "area is 'TODO'" in tests.stdout


@pytest.mark.slow
def test_reference_gets_all_points_of_the_machine_and_its_page_shows_why(grader: Grader) -> None:
    grade = graded(grader, LESSON.reference)
    got = points(grade)
    most = {one.name: one.max_points for one in LESSON.spec.terms}
    exact = set(most) - {"faster_latency", "judged"}  # a busy machine spoils the one
    assert {name: got[name] for name in exact} == pytest.approx({n: most[n] for n in exact})
    assert grade.pending == pytest.approx(5.0)
    assert {check.name for check in grade.checks if not check.passed} <= {"faster_time"}
    names = [figure.name for figure in grade.figures]
    assert {"roofline", "analysed_time", "promises"} <= set(names)
    assert len(names) == len(set(names))
    for lang in ("en", "ru"):
        page = student_page(grade, LESSON.spec, lang)
        assert "/gru/GRU" in page
        assert "Roofline" in page


@pytest.mark.slow
def test_thop_wrapped_as_profile_model_is_far_from_full_marks(
    grader: Grader, tmp_path: Path
) -> None:
    LESSON.samples.make(tmp_path, LESSON)  # type: ignore[union-attr]
    grade = graded(grader, tmp_path / "thop-wrapped")
    assert grade.status is Status.GRADED
    assert 0.1 < points(grade)["profiler"] < 1.0
    assert any("thop" in check.message.to("en") for check in grade.checks if not check.passed)


def test_samples_are_made_from_the_reference_as_it_is(tmp_path: Path) -> None:
    assert LESSON.samples is not None
    LESSON.samples.make(tmp_path, LESSON)
    assert len(list(tmp_path.iterdir())) >= 8
