"""Grades a model that multiplies by the matrix i * j, i and j from 1 to 8."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grader.lesson.contract import Findings
from grader.lesson.grades import Gate, Measurement
from grader.measure.costs import graph
from grader.sandbox.runners.rows import Job, run_onnx
from grader.text import Text

MATRIX = np.outer(np.arange(1, 9), np.arange(1, 9))
BASELINE_MACS = MATRIX.size


@dataclass(frozen=True)
class Exam:
    data_id: str
    numbers: np.ndarray
    tolerance: float
    limits: object
    baseline: dict = field(default_factory=dict)


def prepare(setup):
    hidden = setup.audience == "hidden"
    seed = int.from_bytes(setup.seed.encode(), "little") if hidden else 0
    numbers = np.random.default_rng(seed).normal(size=(100, 8)).astype(np.float32)
    data_id = f"random/{setup.audience}:{numbers.sum():.6f}"
    return Exam(data_id, numbers, setup.spec.settings["tolerance"], setup.spec.limits)


def examine(exam, submission):
    model = submission.read("model.onnx")
    costs = graph.inspect(model)  # refuses what cannot be counted, in a sentence
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npy"
        np.save(inputs, exam.numbers)
        answers = run_onnx(Job(model, inputs, out_shape=(8,)), exam.limits).outputs
    error = float(np.abs(answers - exam.numbers @ MATRIX).max())
    how = Text("baseline / artefact")
    return Findings(
        measurements={"speedup": Measurement(BASELINE_MACS / max(costs.macs, 1), "×", how)},
        gate=Gate("largest_error", error, exam.tolerance, (error, error), error <= exam.tolerance),
        checks=[],
    )
