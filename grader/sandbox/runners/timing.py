"""Time models in the sandbox, one thread, interleaved with each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.ending import raise_if_stopped
from grader.sandbox.isolation.program import Program
from grader.sandbox.isolation.start import start

LEAST_ROUNDS = 3


@dataclass(frozen=True)
class TimedModel:
    """An ONNX model and what its inputs look like: name, numpy type, shape."""

    model: bytes
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]


def time_models(
    models: Sequence[TimedModel], limits: RunLimits, *, rounds: int = 40, seconds: float = 20.0
) -> NDArray[np.float64]:
    """Seconds of one call of each model, (models, rounds); NaN for rounds after `seconds` are over.

    The clock is the child's: no student Python runs there, and the figures grade nobody. Raises
    Stopped when a model does not load, does not run, or takes more than the limits allow.
    """
    contents = [
        {"length": len(one.model), "inputs": [[n, d, list(s)] for n, d, s in one.inputs]}
        for one in models
    ]
    child = start(
        Program(
            task="timing",
            order={"rounds": rounds, "least": min(LEAST_ROUNDS, rounds), "seconds": seconds},
            confine="compute",
            libraries=("numpy", "onnxruntime"),
            blobs=[b"".join(one.model for one in models), json.dumps(contents).encode()],
            answers=(len(models), rounds),
            limits=limits,
        )
    )
    try:
        ended = child.finish()
        raise_if_stopped(ended, limits, "model")
        found = np.frombuffer(child.answers(), "<f4").reshape(len(models), rounds)
    finally:
        child.close()
    return found.astype(np.float64)
