"""Files of the quantization lesson that mean harm, and names that should not reach a page.

What a tokenizer can do to the machine is tested with the sandbox (tests/sandbox/test_tokens.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from grader import report
from grader.lesson.grades import Grade, Status
from tests.lessons import quantization_mutants as mutants
from tests.lessons.quantization_mutants import LESSON
from tests.lessons.test_quantization import examination, failed, graded  # noqa: F401

SCRIPT = "<script>alert(1)</script>"
ESCAPE = "\x1b[31mred\x1b[0m\u202e"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return mutants.reference(tmp_path / "hw")


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 4000000000}}}',
        json.dumps({"model": {"type": "Unigram", "vocab": [["a", "b"]]}}).encode(),
        b"\xff\xfe\x00",
        b"\x80\x04\x95cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
    ],
    ids=["empty", "object", "deep", "huge_number", "wrong_types", "marks", "pickle"],
)
def test_what_is_no_tokenizer_is_refused_in_a_sentence(
    contents,
    folder,
    examination,  # noqa: F811
):
    (folder / "tokenizer.json").write_bytes(contents)
    grade = graded(examination, folder)
    assert grade.status is not Status.GRADED
    assert grade.status is not Status.GRADER_FAULT
    assert "tokenizer" in grade.reason.to("en")
    assert len(grade.reason.to("en")) < 600


@pytest.mark.slow
@pytest.mark.parametrize(
    "contents",
    [b"\0" * 1000, b"name" * 1_000_000, bytes(range(256)) * 10, b"name,bytes\n" + b"=1+1,5\n" * 9],
    ids=["zeros", "long", "bytes", "formula"],
)
def test_damaged_text_files_cost_a_check_at_most(
    contents,
    folder,
    examination,  # noqa: F811
):
    for name in ("table.csv", "calibration.txt"):
        (folder / name).write_bytes(contents)
    grade = graded(examination, folder)
    assert grade.status in (Status.GRADED, Status.REJECTED)
    assert "Traceback" not in grade.reason.to("en")


@pytest.mark.slow
def test_names_from_a_model_are_shown_and_never_obeyed(folder, examination):  # noqa: F811
    for name in ("student", "student_ptq"):
        with mutants.graph(folder, name) as found:
            renamed = {}
            for number, tensor in enumerate(found.initializer):
                renamed[tensor.name] = f"{SCRIPT}{ESCAPE}{number}"
                tensor.name = renamed[tensor.name]
            for node in found.node:
                node.input[:] = [renamed.get(one, one) for one in node.input]
    (folder / "table.csv").write_text(f"name,bytes\n{SCRIPT}{ESCAPE},{SCRIPT}\n", encoding="utf-8")
    grade = graded(examination, folder)
    assert grade.status is Status.GRADED, grade.reason.to("en")
    for lang in ("en", "ru"):
        page = report.student_page(grade, LESSON.spec, lang)
        assert SCRIPT not in page
        assert "\x1b" not in page
        assert "\u202e" not in page


@pytest.mark.slow
def test_no_label_and_no_post_goes_into_the_grade(folder, examination):  # noqa: F811
    """The grade of hidden posts is read by students."""
    grade = graded(examination, folder)
    text = json.dumps(_plain(grade), ensure_ascii=False)
    leaked = [post for post in examination.exam.texts if len(post) > 25 and post in text]
    assert not leaked


@pytest.mark.slow
def test_integers_that_are_not_used_do_not_count_as_quantized(folder, examination):  # noqa: F811
    """Any int8 numbers beside float32 weights: a file that is larger, and no PTQ."""
    mutants.copied("teacher.onnx", "teacher_ptq.onnx")(folder)
    with mutants.graph(folder, "teacher_ptq") as found:
        decoy = np.random.default_rng(0).integers(-127, 127, (2000, 400)).astype(np.int8)
        found.initializer.append(onnx.numpy_helper.from_array(decoy, "decoy_quantized"))
    grade = graded(examination, folder)
    assert "teacher_ptq_is_quantised" in failed(grade)
    assert grade.value("ptq_passes") == 0


def test_the_names_of_models_that_a_sentence_quotes_are_short(folder, examination):  # noqa: F811
    with mutants.graph(folder, "student") as found:
        for port in found.input:
            if port.name == "input_ids":
                port.name = SCRIPT * 1000
        for node in found.node:
            node.input[:] = [SCRIPT * 1000 if one == "input_ids" else one for one in node.input]
    grade = graded(examination, folder)
    assert grade.status is Status.REJECTED
    assert len(grade.reason.to("en")) < 600


def _plain(grade: Grade):
    from grader.lesson.grades import to_json

    return json.loads(to_json(grade))
