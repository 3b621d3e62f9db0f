"""Sandbox B: one ONNX model over a file of rows, or how long several models take in turn.

Rows: protocol, raw little-endian: one byte (0 artefact, 1 baseline) and one float32 row asks for
one float32 row; byte 255 asks for the evaluation of all rows, in an order that `shuffle` seeds.

Time (an order with `rounds`): blob 0 is all models one after another; blob 1 is a JSON list of the
length and inputs (name, type, shape) of each. Each round runs every model once untimed, so that its
weights are in the caches, and then timed: once, or as often as fits into a millisecond. Rounds go
on until all are done or the time is up, never fewer than `least`. The answers are seconds of one
call, (models, rounds).
"""

from __future__ import annotations

import json
import math
import mmap
import time
from typing import Any

import numpy as np
from numpy.random import default_rng

from grader.sandbox.isolation.task import ChildExit, Failure, Work
from grader.sandbox.runners.child.runtime import checked, classified, open_session

EVALUATE = 255
MOMENT = 1e-3
MOST_CALLS = 100


def keep(data: bytes) -> Any:
    """The baseline: loaded once, before any submission is."""
    return _Model(data)


def run(work: Work) -> None:
    if "rounds" in work.order:
        _time(work)
    else:
        _answer(work)


def _answer(work: Work) -> None:
    order, model = work.order, _Model(work.blob(0))
    row_shape, out_shape = tuple(order["row_shape"]), tuple(order["out_shape"])
    row_bytes = 4 * math.prod(row_shape)
    while (which := work.channel.read(1)[0]) != EVALUATE:
        row = np.frombuffer(work.channel.read(row_bytes), "<f4").reshape(1, *row_shape)
        work.channel.write(_infer((model, work.kept)[which], row, out_shape).tobytes())
    rows, batch = order["rows"], order["batch"]
    inputs = _mapped(work.inputs, (rows, *row_shape), mmap.ACCESS_READ, order["offset"])
    answers = _mapped(work.answers, (rows, *out_shape), mmap.ACCESS_WRITE)
    # In a random order, so that no answer can depend on the one before.
    starts = default_rng(order["shuffle"]).permutation(np.arange(0, rows, batch))
    for start in starts.tolist():
        end = min(start + batch, rows)
        answers[start:end] = _infer(model, inputs[start:end], out_shape)


def _time(work: Work) -> None:
    order, data = work.order, work.blob(0)
    models, start = [], 0
    for model in json.loads(work.blob(1)):
        session = open_session(data[start : start + model["length"]])
        models.append(_Bound(session, model["inputs"]))
        start += model["length"]
    seconds = _mapped(work.answers, (len(models), order["rounds"]), mmap.ACCESS_WRITE)
    until = time.perf_counter() + order["seconds"]
    for number in range(order["rounds"]):
        if number >= order["least"] and time.perf_counter() > until:
            break
        for index, model in enumerate(models):
            seconds[index, number] = _timed(model)


def _mapped(descriptor: int, shape: tuple[int, ...], access: int, offset: int = 0) -> np.ndarray:
    """A view of float32 numbers in a file."""
    numbers = math.prod(shape)
    memory = mmap.mmap(descriptor, offset + 4 * numbers, access=access)
    return np.frombuffer(memory, "<f4", numbers, offset).reshape(shape)


class _Model:
    """A session and the names of its only input and output, looked up once."""

    def __init__(self, data: bytes) -> None:
        session = open_session(data)
        given, answers = session.get_inputs(), session.get_outputs()
        if not given or not answers:
            found = f"{len(given)} inputs and {len(answers)} outputs"
            raise Failure(ChildExit.BAD_OUTPUT, f"expected one input and one output, found {found}")
        self._session = session
        self._outputs = [answers[0].name]
        self._input = given[0].name

    def __call__(self, rows: np.ndarray) -> Any:
        return self._session.run(self._outputs, {self._input: rows})[0]


def _infer(model: Any, rows: np.ndarray, out_shape: tuple[int, ...]) -> np.ndarray:
    try:
        output = model(rows)
    except Exception as error:
        raise classified(error, ChildExit.RUN_FAILED) from error
    return checked(output, (len(rows), *out_shape))


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
