"""Sandbox B: how long ONNX models take, in turn, on inputs made here.

Blob 0 is all models one after another; blob 1 is a JSON list of the length and inputs (name, type,
shape) of each. Each round runs every model once untimed, so that its weights are in the caches, and
then timed: once, or as often as fits into a millisecond. Rounds go on until all are done or
the time is up, never fewer than `least`. The answers are seconds of one call, (models, rounds).
"""

from __future__ import annotations

import json
import mmap
import time
from typing import Any

import numpy as np
from numpy.random import default_rng

from grader.sandbox.isolation.task import ChildExit, Work
from grader.sandbox.runners.child.runtime import classified, open_session

MOMENT = 1e-3
MOST_CALLS = 100


def run(work: Work) -> None:
    order, data = work.order, work.blob(0)
    models, start = [], 0
    for model in json.loads(work.blob(1)):
        session = open_session(data[start : start + model["length"]])
        models.append(_Bound(session, model["inputs"]))
        start += model["length"]
    rounds = order["rounds"]
    memory = mmap.mmap(work.answers, 4 * len(models) * rounds, access=mmap.ACCESS_WRITE)
    seconds = np.frombuffer(memory, "<f4").reshape(len(models), rounds)
    until = time.perf_counter() + order["seconds"]
    for number in range(rounds):
        if number >= order["least"] and time.perf_counter() > until:
            break
        for index, model in enumerate(models):
            seconds[index, number] = _timed(model)


class _Bound:
    """A session with bound inputs and outputs, so that a call does nothing but run the model."""

    def __init__(self, session: Any, inputs: list[list[Any]]) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._held = [_made(dtype, shape) for _, dtype, shape in inputs]
        for (name, *_), array in zip(inputs, self._held, strict=True):
            self._binding.bind_cpu_input(name, array)
        for output in session.get_outputs():
            self._binding.bind_output(output.name)

    def __call__(self) -> None:
        self._session.run_with_iobinding(self._binding)


def _timed(model: _Bound) -> float:
    try:
        began = time.perf_counter()
        model()
        calls = int(min(max(MOMENT / (time.perf_counter() - began), 1), MOST_CALLS))
        began = time.perf_counter()
        for _ in range(calls):
            model()
        return (time.perf_counter() - began) / calls
    except Exception as error:
        raise classified(error, ChildExit.RUN_FAILED) from error


def _made(dtype: str, shape: list[int]) -> np.ndarray:
    """Noise for floating-point inputs; zeros for integers, which are valid indices of any table."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return default_rng(0).standard_normal(shape, dtype=np.float32).astype(kind)
    return np.full(shape, kind.kind == "b", dtype=kind)
