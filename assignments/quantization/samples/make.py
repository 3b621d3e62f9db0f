"""Sample submissions for the demonstration: what a class hands in, good and bad."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, helper, numpy_helper

from grader.lesson.loading import Lesson

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pt", ".pytest_cache", "rusentiment")
_MODELS = ("teacher.onnx", "teacher_ptq.onnx", "student.onnx", "student_ptq.onnx")
_FILES = (*_MODELS, "tokenizer.json", "student_tokenizer.json", "table.csv")


def make(folder: Path, lesson: Lesson) -> None:
    """One submission for each ending that an instructor meets."""
    reference = lesson.reference
    shutil.copytree(reference, folder / "reference", ignore=_IGNORED)
    shutil.copytree(lesson.template, folder / "untouched-starter", ignore=_IGNORED)
    _only_quantized(folder / "only-quantised", reference)
    _left_in_float(folder / "student-left-in-float32", reference)
    _two_bits(folder / "two-bits-miss-gate", reference)
    _zip(folder / "two-bits-miss-gate")
    _edit(folder / "tokenizer-of-another-model", reference, _other_tokenizer)
    _edit(folder / "classes-in-another-order", reference, _other_order)
    _edit(folder / "float32-in-disguise", reference, _disguised)
    _edit(folder / "batch-of-one", reference, _batch_of_one)
    _edit(folder / "nan-outputs", reference, _nan)


# Graded -------------------------------------------------------------------------------------


def _only_quantized(folder: Path, reference: Path) -> None:
    """A narrow pass: no student at all, the teacher stands in for it."""
    _submit(folder, reference)
    for source, target in ((0, 2), (1, 3)):
        shutil.copy(folder / _MODELS[source], folder / _MODELS[target])
    (folder / "student_tokenizer.json").unlink(missing_ok=True)
    _drop_rows(folder / "table.csv", "student")


def _left_in_float(folder: Path, reference: Path) -> None:
    """The student handed in twice, and claimed to be quantized."""
    _submit(folder, reference)
    shutil.copy(folder / "student.onnx", folder / "student_ptq.onnx")


def _two_bits(folder: Path, reference: Path) -> None:
    """Integers of the student rounded to four levels: small on paper, and it shows."""
    _submit(folder, reference)
    path = folder / "student_ptq.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        levels = numpy_helper.to_array(tensor)
        if levels.ndim == 2 and levels.dtype.itemsize == 1:
            middle = 128 if levels.dtype == np.uint8 else 0
            coarse = np.clip(np.rint((levels.astype(int) - middle) / 85), -1, 1) * 85 + middle
            coarse = coarse.astype(levels.dtype)
            tensor.CopyFrom(numpy_helper.from_array(coarse, tensor.name))
    path.write_bytes(model.SerializeToString())


# Refused ------------------------------------------------------------------------------------


def _other_tokenizer(folder: Path) -> None:
    """Numbers of a vocabulary that is larger than the embedding."""
    for path in folder.glob("*tokenizer.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        words = content["model"]["vocab"]
        content["model"]["vocab"] = {
            word: number if number < 3 else number + len(words) for word, number in words.items()
        }
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _other_order(folder: Path) -> None:
    _after(folder / "student_ptq.onnx", "Gather", np.array([4, 3, 2, 1, 0]), axis=1)


def _disguised(folder: Path) -> None:
    """Ones in int8 behind a DequantizeLinear, and the float32 weights as its scales."""
    shutil.copy(folder / "teacher.onnx", folder / "teacher_ptq.onnx")
    model = onnx.load(folder / "teacher_ptq.onnx")
    graph = model.graph
    table = max(graph.initializer, key=lambda tensor: len(tensor.raw_data))
    name, ones = table.name, np.ones(tuple(table.dims), np.int8)
    table.name = f"{name}.scale"
    graph.initializer.append(numpy_helper.from_array(ones, f"{name}.ones"))
    widen = helper.make_node(
        "DequantizeLinear", [f"{name}.ones", f"{name}.scale"], [name], axis=1, block_size=1
    )
    graph.node.insert(0, widen)
    (folder / "teacher_ptq.onnx").write_bytes(model.SerializeToString())


def _batch_of_one(folder: Path) -> None:
    path = folder / "student_ptq.onnx"
    model = onnx.load(path)
    for port in model.graph.input:
        port.type.tensor_type.shape.dim[0].dim_value = 1
    path.write_bytes(model.SerializeToString())


def _nan(folder: Path) -> None:
    _after(folder / "student_ptq.onnx", "Mul", np.full(5, np.nan, np.float32))


# Helpers ------------------------------------------------------------------------------------


def _submit(folder: Path, reference: Path) -> None:
    folder.mkdir()
    for name in _FILES:
        if (reference / name).is_file():
            shutil.copy(reference / name, folder)


def _edit(folder: Path, reference: Path, edit) -> None:  # type: ignore[no-untyped-def]
    _submit(folder, reference)
    edit(folder)


def _zip(folder: Path) -> None:
    """As an LMS packs it: everything one folder down, in an archive instead of the folder."""
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, f"homework/{path.name}")
    shutil.rmtree(folder)


def _drop_rows(path: Path, beginning: str) -> None:
    """A table without the rows of models that were never made."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(beginning)]
        path.write_text("".join(kept), encoding="utf-8")


def _after(path: Path, op: str, constant: np.ndarray, **attributes: object) -> None:
    """One more operator between what the model computes and its logits."""
    model: ModelProto = onnx.load(path)
    graph: GraphProto = model.graph
    for node in graph.node:
        node.output[:] = ["inner" if name == "logits" else name for name in node.output]
    graph.initializer.append(numpy_helper.from_array(constant, "added"))
    graph.node.append(helper.make_node(op, ["inner", "added"], ["logits"], **attributes))
    path.write_bytes(model.SerializeToString())
