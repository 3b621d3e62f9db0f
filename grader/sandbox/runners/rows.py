"""Sandbox B: run one ONNX model over a file of inputs, or time several models in turn."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.levels import start
from grader.sandbox.isolation.process import Child, Program, raise_if_stopped, timed
from grader.sandbox.runners.child.rows import EVALUATE

WARM_UP = 5
"""Untimed requests for a single row before the timed ones."""
LEAST_ROUNDS = 3
LIBRARIES = ("numpy", "onnxruntime")


@dataclass(frozen=True)
class Job:
    """What to run. `inputs` is a .npy file of float32, (rows, *row_shape)."""

    model: bytes
    inputs: Path
    out_shape: tuple[int, ...]
    """Shape of one row of the only output."""
    baseline: bytes | None = None
    """A trusted model timed in turn with `model`, in the same process."""
    singles: Sequence[int] = ()
    """Rows that are also sent one at a time, the next after the answer to the last."""
    batch: int = 1
    """Rows in one call. With 1, MACs at batch 1 and quality come from one and the same path
    through the model, and no row can influence another."""


@dataclass(frozen=True)
class Run:
    """Answers of the model; a row that was not answered holds NaN."""

    outputs: np.ndarray
    """(rows, *out_shape) float32, of the evaluation of all rows."""
    singles: np.ndarray
    """(singles, *out_shape) float32, each row sent alone."""
    seconds_per_single: np.ndarray
    """(singles,) seconds that answering a row took, measured by `process.timed`."""
    baseline_seconds_per_single: np.ndarray
    """(singles,) the same for the baseline, interleaved; empty without one."""
    seconds: float
    log: str


@dataclass(frozen=True)
class TimedModel:
    """An ONNX model and what its inputs look like: name, numpy type, shape."""

    model: bytes
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]


def run_onnx(job: Job, limits: RunLimits) -> Run:
    """Evaluate `job.model`. Raises Stopped with the submission's status when it does not end
    well: a model that ONNX Runtime refuses, a wrong output, a time-out, a crash, no memory."""
    inputs = np.load(job.inputs, mmap_mode="r", allow_pickle=False)
    program = Program(
        task="rows",
        order={
            "rows": len(inputs),
            "row_shape": list(inputs.shape[1:]),
            "out_shape": list(job.out_shape),
            "offset": int(getattr(inputs, "offset", 0)),
            "batch": job.batch,
            # Always the same for one model, so that one submission has one score.
            "shuffle": zlib.crc32(job.model),
        },
        confine="compute",
        libraries=LIBRARIES,
        inputs=job.inputs,
        blobs=[job.model],
        kept=job.baseline,
        answers=(len(inputs), *job.out_shape),
        limits=limits,
    )
    with closing(start(program)) as child:
        singles, seconds = _ask_one_by_one(child, job, inputs)
        ended = child.finish()
        raise_if_stopped(ended, limits, "onnx")
        outputs = np.frombuffer(child.answers(), dtype="<f4")
    outputs = outputs.reshape(len(inputs), *job.out_shape)
    baseline = seconds[1] if job.baseline is not None else seconds[0, :0]
    return Run(outputs, singles, seconds[0], baseline, ended.seconds, ended.log)


def time_models(
    models: Sequence[TimedModel], limits: RunLimits, *, rounds: int = 40, seconds: float = 20.0
) -> NDArray[np.float64]:
    """Seconds of one call of each model, (models, rounds); NaN for rounds after `seconds` are over.

    The models take turns in one process with one thread. The child measures the time itself, since
    no student Python runs there and no grade depends on it. Raises Stopped when a model does not
    load, does not run, or takes more than the limits allow.
    """
    contents = [
        {"length": len(one.model), "inputs": [[n, d, list(s)] for n, d, s in one.inputs]}
        for one in models
    ]
    program = Program(
        task="rows",
        order={"rounds": rounds, "least": min(LEAST_ROUNDS, rounds), "seconds": seconds},
        confine="compute",
        libraries=LIBRARIES,
        blobs=[b"".join(one.model for one in models), json.dumps(contents).encode()],
        answers=(len(models), rounds),
        limits=limits,
    )
    with closing(start(program)) as child:
        raise_if_stopped(child.finish(), limits, "onnx")
        found = np.frombuffer(child.answers(), "<f4").reshape(len(models), rounds)
    return found.astype(np.float64)


def _ask_one_by_one(child: Child, job: Job, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Send single rows to the model and its baseline in turn, in ABBA order, and then the request
    to evaluate all rows. Returns answers, and seconds (models, singles)."""
    models = (0, 1) if job.baseline is not None else (0,)
    answers = np.full((len(job.singles), *job.out_shape), np.nan, dtype="<f4")
    seconds = np.full((len(models), len(job.singles)), np.nan)

    def ask(which: int, row: np.ndarray) -> np.ndarray:
        child.send(bytes([which]) + row.tobytes())
        raw = child.receive(4 * math.prod(job.out_shape))
        return np.frombuffer(raw, dtype="<f4").reshape(job.out_shape)

    try:
        for _ in range(WARM_UP if len(job.singles) else 0):
            for which in models:
                ask(which, np.ascontiguousarray(inputs[job.singles[0]], dtype="<f4"))
        for number, row in enumerate(job.singles):
            for which in models if number % 2 == 0 else models[::-1]:
                clip = np.ascontiguousarray(inputs[row], dtype="<f4")
                answer, seconds[which, number] = timed(child, partial(ask, which, clip))
                if which == 0:
                    answers[number] = answer
        child.send(bytes([EVALUATE]))
    except BrokenPipeError:  # the child ended; its end says why
        pass
    return answers, seconds
