"""Sample submissions for the demonstration: what a class hands in, good and bad."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from grader.lesson.loading import Lesson

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pt", ".pytest_cache", "fsdd")


def make(folder: Path, lesson: Lesson) -> None:
    """One submission for each ending that an instructor meets."""
    reference = lesson.reference
    shutil.copytree(reference, folder / "reference", ignore=_IGNORED)
    shutil.copytree(lesson.template, folder / "untouched-starter", ignore=_IGNORED)
    _submit(folder / "torchscript", reference, "model.ts", "offline.onnx")
    _submit(folder / "without-offline", reference, "model.onnx")
    _recomputes(folder / "recomputes-everything", lesson)
    _zip(folder / "zipped.zip", reference / "model.onnx", reference / "offline.onnx")
    _edit(folder / "hidden-state-dropped", reference, _drop_hidden)
    _edit(folder / "never-sure", reference, _halve)
    _edit(folder / "nan-outputs", reference, _nan)
    _edit(folder / "whole-clip", reference, _whole_clip)
    _edit(folder / "state-lost", reference, _lose_state)


def _submit(folder: Path, source: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        shutil.copy(source / name, folder)


def _recomputes(folder: Path, lesson: Lesson) -> None:
    """The starter, trained: what the baseline is made of."""
    folder.mkdir()
    baseline = lesson.folder / "baseline" / f"{lesson.spec.data.names[0]}.onnx"
    shutil.copy(baseline, folder / "model.onnx")


def _zip(archive: Path, *files: Path) -> None:
    """As an LMS packs it: everything one folder down."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in files:
            file.write(path, f"homework/{path.name}")


def _edit(folder: Path, source: Path, edit) -> None:  # type: ignore[no-untyped-def]
    _submit(folder, source, "model.onnx", "offline.onnx")
    model = onnx.load(folder / "model.onnx")
    edit(model.graph)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _after(graph: onnx.GraphProto, output: str, op: str, constant: np.ndarray) -> None:
    """Put one more operator between what is computed and an output."""
    for node in graph.node:
        for position, name in enumerate(node.output):
            if name == output:
                node.output[position] = f"inner_{output}"
    graph.initializer.append(numpy_helper.from_array(constant, f"constant_{output}"))
    graph.node.append(helper.make_node(op, [f"inner_{output}", f"constant_{output}"], [output]))


def _drop_hidden(graph: onnx.GraphProto) -> None:
    _after(graph, "state_hidden_next", "Mul", np.zeros(1, np.float32))


def _halve(graph: onnx.GraphProto) -> None:
    _after(graph, "probability", "Mul", np.full(1, 0.5, np.float32))


def _nan(graph: onnx.GraphProto) -> None:
    _after(graph, "probability", "Add", np.full(1, np.nan, np.float32))


def _whole_clip(graph: onnx.GraphProto) -> None:
    dim = graph.input[0].type.tensor_type.shape.dim[1]
    dim.Clear()
    dim.dim_value = 16_000


def _lose_state(graph: onnx.GraphProto) -> None:
    graph.output.remove(next(port for port in graph.output if port.name == "state_filled_next"))
