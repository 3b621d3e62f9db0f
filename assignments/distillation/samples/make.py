"""Sample submissions for the demonstration: what a class hands in, good and bad."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from grader.lesson.loading import Lesson

_HERE = Path(__file__).resolve().parent
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")


def make(folder: Path, lesson: Lesson) -> None:
    """One submission for each ending that an instructor meets."""
    reference = lesson.reference
    shutil.copytree(reference, folder / "reference", ignore=_IGNORED)
    shutil.copytree(lesson.template, folder / "untouched-starter", ignore=_IGNORED)
    _submit(folder / "narrow-pass", _HERE / "narrow.onnx", reference)
    _submit(folder / "small-misses-gate", _HERE / "small.onnx", reference)
    _zip(folder / "zipped.zip", reference / "model.onnx", reference / "experiments.csv")
    _write(folder / "broken-onnx", (reference / "model.onnx").read_bytes()[:-700])
    _checkpoint(folder / "checkpoint-pt", reference / "model.onnx")
    (folder / "empty").mkdir()
    _write(folder / "nan-outputs", _edited(reference / "model.onnx", _nan_node))
    _write(folder / "wrong-shape", _edited(reference / "model.onnx", _wide_node))


def _submit(folder: Path, model: Path, reference: Path) -> None:
    """A student with a model of their own, who recorded it below what the reference tried."""
    _write(folder, model.read_bytes())
    recorded = (reference / "experiments.csv").read_text(encoding="utf-8")
    own = (_HERE / "experiments.csv").read_text(encoding="utf-8").splitlines(keepends=True)[1:]
    (folder / "experiments.csv").write_text(recorded + "".join(own), encoding="utf-8")


def _write(folder: Path, model: bytes) -> None:
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model)


def _zip(archive: Path, *files: Path) -> None:
    """As an LMS packs it: everything one folder down."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in files:
            file.write(path, f"homework/{path.name}")


def _checkpoint(folder: Path, model: Path) -> None:
    import torch

    weights = onnx.load(model).graph.initializer
    folder.mkdir()
    torch.save(
        {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in weights},
        folder / "student.pt",
    )


def _edited(path: Path, edit) -> bytes:  # type: ignore[no-untyped-def]
    """The model with one more node between what it computes and its output `logits`."""
    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        for position, name in enumerate(node.output):
            if name == "logits":
                node.output[position] = "inner_logits"
    edit(graph)
    return model.SerializeToString()


def _nan_node(graph: onnx.GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(np.float32("nan"), "not_a_number"))
    graph.node.append(helper.make_node("Add", ["inner_logits", "not_a_number"], ["logits"]))


def _wide_node(graph: onnx.GraphProto) -> None:
    graph.node.append(
        helper.make_node("Concat", ["inner_logits", "inner_logits"], ["logits"], axis=1)
    )
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
