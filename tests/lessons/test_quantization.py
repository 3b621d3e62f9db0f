"""The quantization lesson: the reference passes, mistakes and cheats are told what they are."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from grader import grading
from grader.data.text.posts import LABELS
from grader.grading import Examination
from grader.lesson.grades import Grade, Status
from grader.lesson.loading import Lesson
from grader.text.errors import DataError, Rejected
from tests.lessons import quantization_mutants as mutants
from tests.lessons.quantization_mutants import LESSON

POSTS = 300
"""Enough for what goes wrong here, and a tenth of the time."""


def module(name: str):
    """A module of the lesson."""
    assert LESSON.autograder
    return importlib.import_module(f"{LESSON.autograder.__name__}.{name}")


TIMED = {"ptq_is_faster", "claims_hold"}
"""Checks that few rounds on a busy machine may decide either way."""
ROUNDS = 4
"""Times are not asserted here, but for a model that takes many times as long."""


@pytest.fixture(scope="module")
def examination() -> Examination:
    """The lesson on some of the public posts, timed a few times only."""
    changed = LESSON.spec.settings | {"rounds": ROUNDS, "attempts": 1}
    short = Lesson(msgspec.structs.replace(LESSON.spec, settings=changed), LESSON.folder)
    return fewer(grading.prepare(short, "public"), POSTS)


def fewer(made: Examination, count: int) -> Examination:
    """The same examination with the first `count` posts."""
    exam = made.exam
    ids, probes = exam.teacher_encoded.ids, len(module("exam").PROBES)
    encoded = replace(exam.teacher_encoded, ids=(*ids[:count], *ids[-probes:]))
    logits, labels = exam.teacher_logits[:count], exam.labels[:count]
    quality = module("measured").quality(logits.argmax(1), labels)
    return replace(
        made,
        exam=replace(
            exam,
            texts=exam.texts[:count],
            labels=labels,
            groups=exam.groups[:count],
            teacher_encoded=encoded,
            teacher_logits=logits,
            baseline=exam.baseline | quality,
        ),
    )


def graded(examination: Examination, folder: Path) -> Grade:
    grade, fault = grading.grade(examination, folder, folder.name)
    assert not fault, fault
    return grade


def failed(grade: Grade) -> set[str]:
    return {check.name for check in grade.checks if not check.passed}


@pytest.fixture(scope="module")
def reference(examination, tmp_path_factory) -> Grade:
    folder = mutants.reference(tmp_path_factory.mktemp("reference") / "hw")
    return graded(examination, folder)


FEW = settings(max_examples=20, deadline=None)

# The reference ------------------------------------------------------------------------------


def test_the_reference_passes_every_check(reference):
    assert reference.status is Status.GRADED, reference.reason.to("en")
    assert failed(reference) - TIMED == set()
    assert reference.gate.passed
    assert reference.score > 0.8 * reference.max_score


def test_every_figure_of_the_table_has_its_unit_how_and_interval(reference):
    for name in mutants.NAMES:
        for column in ("bytes", "params", "compression", "latency_ratio_b1", "latency_ratio_b32"):
            assert reference.value(f"{name}.{column}") > 0
        for column in ("accuracy", "f1_macro", "f1_weighted", "latency_ms_b1", "latency_ms_b32"):
            one = reference.measurements[f"{name}.{column}"]
            low, high = one.interval
            assert low <= one.value <= high
            assert one.how.to("en")
            assert one.how.to("ru")
    for column in ("bytes", "params", "accuracy", "f1_macro", "latency_ratio_b32"):
        assert reference.value(column) == reference.value(f"student_ptq.{column}")


def test_bytes_hold_the_tokenizer(reference):
    tokenizer = (mutants.REFERENCE / "tokenizer.json").stat().st_size
    assert reference.value("teacher.bytes") > 4 * reference.value("teacher.params") * 0.95
    report = module("submitted").counted(
        "teacher",
        (mutants.REFERENCE / "teacher.onnx").read_bytes(),
        (mutants.REFERENCE / "tokenizer.json").read_bytes(),
        len(LABELS),
    )
    assert reference.value("teacher.bytes") == report.report.bytes + tokenizer


def test_the_table_shows_six_models_with_intervals(reference):
    (table,) = [one for one in reference.figures if one.name == "models"]
    assert [row.to("en") for row in table.rows][1:] == [
        *("teacher", "teacher + PTQ", "student", "student + PTQ", "bag of n-grams")
    ]
    assert all(len(column.point_labels) == 6 for column in table.series)
    titles = [column.label.to("en") for column in table.series]
    for wanted in ("size", "1 post", "32 posts", "accuracy", "F1", "param", "compr", "speed-up"):
        assert any(wanted in title for title in titles), wanted
    accuracy = next(column for column in table.series if "accuracy" in column.label.to("en"))
    assert all("…" in cell for cell in accuracy.point_labels)


def test_the_report_draws_what_the_lesson_is_about(reference):
    names = {figure.name for figure in reference.figures}
    assert names >= {
        "models",
        "claimed",
        "components",
        "latency",
        "accuracy_against_bytes",
        "accuracy_against_latency_ms_b1",
        "recall_by_class",
        "accuracy_by_phenomenon",
        "confusion_teacher",
        "confusion_student_ptq",
        "weights_teacher_ptq",
        "tensors_student_ptq",
    }


# Mistakes and cheats ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_the_check_meant_for_it(mutant, examination, tmp_path):
    folder = mutants.reference(tmp_path / "hw")
    mutant.edit(folder)
    grade = graded(examination, folder)
    assert grade.status is Status.GRADED, grade.reason.to("en")
    assert mutant.caught_by in failed(grade), failed(grade)
    (check,) = [one for one in grade.checks if one.name == mutant.caught_by]
    assert check.hint.to("en")
    assert check.hint.to("ru")
    assert check.message.to("ru") != check.message.to("en")


def test_every_check_catches_a_mutant(reference):
    caught = {mutant.caught_by for mutant in mutants.MUTANTS}
    assert caught | {"padding_changes_nothing"} == {check.name for check in reference.checks}
    assert len({mutant.name for mutant in mutants.MUTANTS}) >= 12


@pytest.mark.parametrize("mutant", mutants.REFUSED, ids=lambda mutant: mutant.name)
def test_bad_input_gets_one_clear_sentence(mutant, examination, tmp_path):
    folder = mutants.reference(tmp_path / "hw")
    mutant.edit(folder)
    grade = graded(examination, folder)
    assert grade.status is Status.REJECTED, (grade.status, failed(grade))
    assert mutant.says in grade.reason.to("en")
    assert grade.reason.to("ru")
    assert grade.reason.to("ru") != grade.reason.to("en")
    assert grade.score == 0


@pytest.mark.slow
def test_a_missed_gate_leaves_the_points_for_the_teacher(examination, tmp_path):
    folder = mutants.reference(tmp_path / "hw")
    mutants.after("student_ptq", "Mul", np.array([1, 1, 1, 0, 0], np.float32))(folder)
    grade = graded(examination, folder)
    points = {term.name: term.points for term in grade.terms}
    assert not grade.gate.passed
    assert points["compression"] == points["speedup"] == 0
    assert points["ptq"] > 0


@pytest.mark.slow
def test_an_unquantized_teacher_gets_no_points_for_ptq(examination, tmp_path):
    folder = mutants.reference(tmp_path / "hw")
    mutants.copied("teacher.onnx", "teacher_ptq.onnx")(folder)
    grade = graded(examination, folder)
    assert {term.name: term.points for term in grade.terms}["ptq"] == 0


# The table in other encodings ---------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1251"])
def test_the_table_is_read_as_spreadsheets_save_it(encoding, reference):
    claims = module("claims")
    measured = module("measured").claimable(reference.measurements)
    text = (mutants.REFERENCE / "table.csv").read_text(encoding="utf-8")
    found = claims.compare(text.replace(",", ";").encode(encoding), measured, {})
    assert len(found.cells) == 4 * len(claims.COLUMNS)
    assert not found.problems


def test_claims_in_per_cent_and_in_the_words_of_the_table_are_understood(reference):
    claims = module("claims")
    measured = module("measured").claimable(reference.measurements)
    row = [f"{measured['student_ptq', column].value:.6f}" for column in claims.COLUMNS]
    row[claims.COLUMNS.index("accuracy")] = f"{100 * measured['student_ptq', 'accuracy'].value:.2f}"
    table = f"name,{','.join(claims.COLUMNS)}\nStudent + PTQ,{','.join(row)}\n"
    found = claims.compare(table.encode(), measured, {})
    assert {cell.model for cell in found.cells} == {"student_ptq"}
    assert not found.wrong
    assert set(found.missing) == {"teacher", "teacher_ptq", "student"}


# Classes in another order -------------------------------------------------------------------


@FEW
@given(
    shuffled=st.sampled_from([p for p in permutations(range(5)) if p != tuple(range(5))]),
    seed=st.integers(0, 2**16),
)
def test_any_other_order_of_classes_is_named(shuffled, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, 600)
    right = np.where(rng.random(600) < 0.8, labels, rng.integers(0, 5, 600))
    answers = np.argsort(shuffled)[right]  # logit i stands for class shuffled[i]
    with pytest.raises(Rejected) as told:
        module("order").require("student", answers, labels, LABELS, 0.84)
    assert ", ".join(LABELS[label] for label in shuffled) in told.value.text.to("en")


@FEW
@given(st.integers(0, 4), st.integers(0, 2**16))
def test_a_model_that_knows_nothing_is_not_taken_for_one_in_another_order(label, seed):
    labels = np.random.default_rng(seed).choice(5, 500, p=[0.2, 0.48, 0.2, 0.07, 0.05])
    module("order").require("student", np.full(500, label), labels, LABELS, 0.72)


# Float weights and what became of them ------------------------------------------------------

MATRIX = st.tuples(st.integers(20, 70), st.integers(20, 70), st.integers(0, 2**16))


@FEW
@given(
    shape=MATRIX,
    bits=st.sampled_from([4, 8]),
    per_channel=st.booleans(),
    unsigned=st.booleans(),
    turned=st.booleans(),
)
def test_quantized_weights_are_found_again_whatever_the_tool(
    shape, bits, per_channel, unsigned, turned
):
    rows, columns, seed = shape
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(rows, columns)).astype(np.float32) * rng.uniform(0.5, 2, columns)
    weight = weight.astype(np.float32)
    levels = 2 ** (bits - 1) - 1
    scale = np.abs(weight).max(0 if per_channel else None, keepdims=True) / levels
    stored = np.rint(weight / scale) + (levels + 1 if unsigned else 0)
    kind = {(4, False): "int4", (4, True): "uint4", (8, False): "int8", (8, True): "uint8"}
    found = module("pairs").pair(
        stored_as(weight, "float32"),
        [
            *stored_as(rng.normal(size=weight.shape), "float32"),
            *stored_as(stored.T if turned else stored, kind[bits, unsigned]),
        ],
    )
    (pair,) = found
    assert pair.quantized
    assert pair.resembles
    assert pair.stored.bits == bits
    assert pair.error < 2.5 * pair.usual_error


@FEW
@given(MATRIX)
def test_weights_of_another_training_run_are_not_taken_for_the_same(shape):
    rows, columns, seed = shape
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(size=(2, rows, columns))
    levels = np.rint(theirs / np.abs(theirs).max() * 127)
    (pair,) = module("pairs").pair(stored_as(ours, "float32"), stored_as(levels, "int8"))
    assert not pair.resembles


def stored_as(values: np.ndarray, kind: str):
    """The matrix as a model stores it, read back."""
    code = getattr(TensorProto, {"float32": "FLOAT"}.get(kind, kind.upper()))
    tensor = helper.make_tensor("w", code, values.shape, values.reshape(-1).tolist())
    graph = helper.make_graph([], "weights", [], [], [tensor])
    return module("pairs").weights(helper.make_model(graph).SerializeToString())


# Calibration --------------------------------------------------------------------------------


def test_graded_posts_among_the_calibration_posts_are_noticed(examination, tmp_path):
    calibration = module("calibration")
    graded_posts = ["Какой чудесный день!!", "всё пропало("]
    public = frozenset(map(calibration.digest, ["Ну такое", "привет всем"]))
    text = "ну такое\r\nкакой ЧУДЕСНЫЙ день\r\nтакого поста никто не писал\r\n"
    (tmp_path / "student_ptq.onnx").write_bytes(b"")
    (tmp_path / calibration.FILE).write_bytes(text.encode("cp1251"))
    from grader.intake import open_submission

    with open_submission(tmp_path, LESSON.spec.intake) as submission:
        found = calibration.read(submission, public, graded_posts)
    assert (found.lines, found.public, found.hidden, found.unknown) == (3, 1, 1, 1)


# Posts that people wrote --------------------------------------------------------------------


@pytest.mark.slow
def test_posts_that_people_wrote_are_graded_against_the_teacher_in_the_cache(
    shared_data, tmp_path, monkeypatch
):
    source = shared_data / "rusentiment"
    if not source.is_dir():
        pytest.skip(f"RuSentiment is not in {shared_data}")
    monkeypatch.setenv("GRADER_CACHE", str(tmp_path / "cache"))

    changed = LESSON.spec.settings | {"rounds": 2, "attempts": 1}
    lesson = replace(LESSON, spec=msgspec.structs.replace(LESSON.spec, settings=changed))

    def prepared() -> Examination:
        return grading.prepare(lesson, "hidden", data="rusentiment", source=source)

    with pytest.raises(DataError, match=r"train\.py --data rusentiment --from"):
        prepared()
    folder = module("autograder").baseline_folder("rusentiment")
    shutil.copytree(LESSON.folder / "baseline", folder)  # a teacher, if not of these posts
    examination = prepared()
    assert len(examination.exam.texts) == 2967
    assert examination.exam.bag["accuracy"].value < 0.6
    grade = graded(fewer(examination, 200), mutants.reference(tmp_path / "hw"))
    assert grade.status is Status.GRADED, grade.reason.to("en")
    assert grade.value("accuracy") < 0.6
