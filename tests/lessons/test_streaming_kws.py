"""The streaming lesson: the reference passes, each mutant is caught by the check meant for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from grader import grading
from grader.grading import Examination
from grader.lesson import loading, scoring
from grader.lesson.grades import Deduction, Grade, Status
from grader.lesson.loading import Lesson
from grader.text import verbatim
from tests.lessons import streaming_mutants as mutants

LESSON = loading.load("streaming_kws")
FEW_SECONDS = {"keywords": 60, "others": 170, "background": 20}
"""Four minutes for an hour: what goes wrong here goes wrong at once, drift included."""


@pytest.fixture(scope="module")
def examination() -> Examination:
    """The lesson on public speech, with a short long stream."""
    settings = LESSON.spec.settings | {
        "public": FEW_SECONDS,
        "fine_seconds": 240,
        "short_tracks": 2,
        "offline_clips": 16,
    }
    short = Lesson(msgspec.structs.replace(LESSON.spec, settings=settings), LESSON.folder)
    return grading.prepare(short, "public")


def graded(examination: Examination, folder: Path) -> Grade:
    grade, fault = grading.grade(examination, folder, folder.name)
    assert not fault, fault
    return grade


def failed(grade: Grade) -> set[str]:
    return {check.name for check in grade.checks if not check.passed}


def test_both_forms_of_the_reference_answer_alike_and_the_graph_is_scored(examination, tmp_path):
    onnx, script = tmp_path / "onnx", tmp_path / "script"
    for folder, name in ((onnx, "model.onnx"), (script, "model.ts")):
        folder.mkdir()
        shutil.copy(mutants.REFERENCE / name, folder)
        shutil.copy(mutants.REFERENCE / "offline.onnx", folder)
    graph, program = (graded(examination, folder) for folder in (onnx, script))
    for grade in (graph, program):
        assert grade.status is Status.GRADED, grade.reason.to("en")
        assert grade.value("streaming") == 1
    assert failed(graph) == set()
    assert graph.score == pytest.approx(graph.max_score)
    assert failed(program) == {"costs_are_counted"}
    assert program.value("compression") == program.value("speedup") == 0
    assert program.score == pytest.approx(3.0)
    assert graph.value("au_fa_fr") == pytest.approx(program.value("au_fa_fr"), rel=1e-3)


def test_costs_are_those_of_the_chunks_that_are_judged(examination, tmp_path):
    """A model that is cheap at one length of chunk alone pays for the others."""
    mutants.unchanged(tmp_path)
    grade = graded(examination, tmp_path)
    (figure,) = (one for one in grade.figures if one.name == "chunk_costs")
    by_length = figure.series[0].y
    assert len(by_length) == examination.exam.settings["longest_chunk_hops"]
    assert min(by_length) < grade.value("macs_per_second") < max(by_length)
    assert 10 < grade.value("chunk_ms") < 100


def test_recomputing_costs_more_than_eight_times_as_much(examination, tmp_path):
    mutants.unchanged(tmp_path)
    grade = graded(examination, tmp_path)
    baseline = grade.baseline["macs_per_second"].value
    assert grade.value("macs_per_second") < baseline / 8
    assert grade.value("real_time_factor") < 1


def test_the_grade_holds_a_recording_to_listen_to(examination, tmp_path):
    mutants.unchanged(tmp_path)
    (recording,) = graded(examination, tmp_path).recordings
    assert len(recording.audio) == 12 * recording.sample_rate
    assert len(recording.seconds) == len(recording.probabilities)
    assert len(recording.keywords) == len(recording.delays) == 2


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_the_check_meant_for_it(mutant, examination, tmp_path):
    mutant.make(tmp_path)
    grade = graded(examination, tmp_path)
    assert grade.status is Status.GRADED, grade.reason.to("en")
    assert mutant.caught_by in failed(grade), failed(grade)
    assert grade.score < grade.max_score
    hints = {check.name: check.hint for check in grade.checks}
    assert hints[mutant.caught_by].to("en")
    assert hints[mutant.caught_by].to("ru")


def test_there_are_twenty_mutants_and_every_check_catches_one():
    assert len({mutant.name for mutant in mutants.MUTANTS}) >= 20
    scored = set(LESSON.spec.settings["points"]) | {"quality_gate"}
    assert {mutant.caught_by for mutant in mutants.MUTANTS} == scored


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "sentence"),
    [one[1:] for one in mutants.REFUSED],
    ids=[one[0] for one in mutants.REFUSED],
)
def test_bad_input_gets_one_clear_sentence(make, sentence, examination, tmp_path):
    make(tmp_path)
    grade = graded(examination, tmp_path)
    assert grade.status is Status.REJECTED
    assert sentence in grade.reason.to("en")
    assert grade.reason.to("ru")
    assert not list(tmp_path.glob("chunk.pt"))


def test_a_submission_without_the_offline_model_loses_that_check_alone(examination, tmp_path):
    shutil.copy(mutants.REFERENCE / "model.onnx", tmp_path)
    assert failed(graded(examination, tmp_path)) == {"equals_offline"}


@pytest.mark.slow
def test_the_reference_gets_full_marks_on_real_voices(shared_data):
    examination = grading.prepare(
        LESSON, "hidden", data="fsdd", source=shared_data / "fsdd", seed="tests"
    )
    grade = graded(examination, mutants.REFERENCE / "fsdd")
    assert failed(grade) == set()
    assert grade.score == pytest.approx(grade.max_score)
    assert grade.value("delay_ms") <= 300
    assert grade.value("au_fa_fr") <= 1.05 * grade.baseline["au_fa_fr"].value


def test_late_days_and_report_penalty_are_taken_off_without_measuring(examination):
    grade = graded(examination, mutants.REFERENCE)
    nothing = verbatim("")
    one_day = Deduction(
        name="late",
        title=nothing,
        formula=LESSON.spec.late_penalty,
        values={"days_late": 1.0},
        why=nothing,
    )
    report = Deduction(name="report", title=nothing, formula="0.5", why=nothing)
    late = scoring.taken_off(grade, LESSON.spec, [one_day, report])
    assert late.score == pytest.approx(grade.score - 1.5)
    assert late.measurements == grade.measurements
    assert scoring.taken_off(late, LESSON.spec, []) == grade
