"""The submitted faster network: built and exported in a sandbox with the student's code, then
counted and timed against the slow network in a sandbox without it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from grader.intake import Submission
from grader.lesson.spec import RunLimits
from grader.measure.costs import graph
from grader.measure.costs.graph import GraphReport, Tensor, require
from grader.measure.latency import Median, median, speed_ratio
from grader.sandbox.isolation.process import Disturbed, Stopped
from grader.sandbox.runners.harness import Call, HarnessJob, run_harness
from grader.sandbox.runners.rows import Job, run_onnx
from grader.text import Text
from grader.text.errors import Rejected

INPUT_SHAPE, CLASSES = (40, 96), 12
EXPECTED_INPUT, EXPECTED_OUTPUT = Tensor("spectrogram", INPUT_SHAPE), Tensor("answers", (CLASSES,))
SLOW = Path(__file__).with_name("slow.onnx")
MOST_MODEL_BYTES = 32 * 2**20
MOST_FILES_BYTES = 64 * 2**20


@dataclass(frozen=True)
class FasterNetwork:
    """Measurements of the submitted network."""

    report: GraphReport
    slow: GraphReport
    error: float
    """Largest difference of an output, in batches and while time is measured, over the largest
    output of the slow network; infinite where one is not finite."""
    ratio: Median
    """Seconds of the slow network over seconds of this one, one input at a time, interleaved."""
    milliseconds: Median
    log: str


class InvalidNetwork(Exception):
    """The submission has no network that runs; `text` has the reason."""

    def __init__(self, text: Text, log: str = "") -> None:
        super().__init__(str(text))
        self.text = text
        self.log = log


def measure(
    submission: Submission, seed: str, limits: RunLimits, settings: Mapping[str, Any]
) -> FasterNetwork:
    """Measure the submission. Raises InvalidNetwork for an error of the student, Disturbed and
    Fault for one of the machine."""
    model, log = _exported(submission, limits, settings["build_seconds"])
    try:
        report = graph.inspect(model)
        require(report, expects=EXPECTED_INPUT, returns=EXPECTED_OUTPUT)
    except Rejected as rejected:
        raise InvalidNetwork(rejected.text, log) from rejected
    inputs = hidden_inputs(seed, settings["inputs"])
    right = _slow_answers(seed, settings["inputs"], limits)
    with TemporaryDirectory(prefix="grader-faster-") as folder:
        path = Path(folder) / "inputs.npy"
        np.save(path, inputs)
        job = Job(model, path, (CLASSES,), SLOW.read_bytes(), range(settings["timed"]))
        try:
            run = run_onnx(job, limits)
        except Disturbed:
            raise
        except Stopped as stopped:
            raise InvalidNetwork(stopped.text, log + stopped.log) from stopped
    return FasterNetwork(
        report,
        slow_report(),
        max(_error(run.outputs, right), _error(run.singles, right[: settings["timed"]])),
        speed_ratio(run.baseline_seconds_per_single, run.seconds_per_single),
        median(1000 * run.seconds_per_single),
        log + run.log,
    )


@lru_cache(maxsize=1)
def slow_report() -> GraphReport:
    """Costs of the slow network."""
    return graph.inspect(SLOW.read_bytes())


def hidden_inputs(seed: str, count: int) -> np.ndarray:
    """(count, 40, 96) float32: noise of several sizes, some of it smooth, some of it mostly 0."""
    digest = hashlib.sha256(f"profiling/faster/{seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "little"))
    noise = rng.normal(size=(count, *INPUT_SHAPE))
    smooth = noise.cumsum(2) / 4
    sparse = noise * (rng.random(noise.shape) < 0.1) * 3
    kind = rng.integers(3, size=count)[:, None, None]
    size = np.exp(rng.uniform(-1.5, 1.5, size=(count, 1, 1)))
    return (size * np.choose(kind, [noise, smooth, sparse])).astype(np.float32)


@lru_cache(maxsize=2)
def _slow_answers(seed: str, count: int, limits: RunLimits) -> np.ndarray:
    """(count, classes) outputs of the slow network, the same for every submission."""
    with TemporaryDirectory(prefix="grader-slow-") as folder:
        path = Path(folder) / "inputs.npy"
        np.save(path, hidden_inputs(seed, count))
        return run_onnx(Job(SLOW.read_bytes(), path, (CLASSES,)), limits).outputs


def _exported(submission: Submission, limits: RunLimits, seconds: float) -> tuple[bytes, str]:
    if sum(file.size for file in submission.files) > MOST_FILES_BYTES:
        raise InvalidNetwork(_TOO_LARGE)
    try:
        files = {str(file.path): submission.read(str(file.path)) for file in submission.files}
    except Rejected as rejected:
        raise InvalidNetwork(rejected.text) from rejected
    source = Path(__file__).with_name("harness_faster.py").read_bytes()
    job = HarnessJob({"harness_faster": source}, files)
    call = Call("faster", {}, seconds, MOST_MODEL_BYTES, _TOO_LARGE_EXPORT)
    run = run_harness(job, [call], limits)
    answered = run.answers[0]
    if answered.blob is None:
        raise InvalidNetwork(answered.error or _NO_MODEL, run.log)
    return answered.blob, run.log


def _error(outputs: np.ndarray, right: np.ndarray) -> float:
    if not np.isfinite(outputs).all():
        return float("inf")
    wide = outputs.astype(np.float64)
    return float(np.abs(wide - right).max() / np.abs(right).max())


_TOO_LARGE = Text(
    "The submission's files take more than 64 MiB, too much to build a network from; hand in "
    "what faster.py needs."
)
_TOO_LARGE_EXPORT = Text(
    "The network that build() returns takes more than 32 MiB when it is exported, far more than "
    "the slow one; make its layers smaller."
)
_NO_MODEL = Text("What came back is no exported model; build() has to return a torch.nn.Module.")
