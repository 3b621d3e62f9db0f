"""Sandbox B: one ONNX model over a file of rows, and single rows of it and of a baseline.

Protocol, raw little-endian: one byte (0 artefact, 1 baseline) and one float32 row asks for one
float32 row; byte 255 asks for the evaluation of all rows, in an order that `shuffle` seeds.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.random import default_rng

from grader.sandbox.isolation.task import ChildExit, Failure, Work
from grader.sandbox.runners.child.runtime import checked, classified, open_session

EVALUATE = 255


def keep(data: bytes) -> Any:
    """The baseline: loaded once, before any submission is."""
    return _Model(data)


def run(work: Work) -> None:
    models = [_Model(work.blob(0)), work.kept]
    row_shape, out_shape = tuple(work.order["row_shape"]), tuple(work.order["out_shape"])
    row_bytes = 4 * int(np.prod(row_shape))
    while (which := work.channel.read(1)[0]) != EVALUATE:
        row = np.frombuffer(work.channel.read(row_bytes), "<f4").reshape(1, *row_shape)
        work.channel.write(_infer(models[which], row, out_shape).tobytes())
    _evaluate(work, models[0], row_shape, out_shape)


def _evaluate(
    work: Work, model: Any, row_shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> None:
    rows, batch = work.order["rows"], work.order["batch"]
    inputs = _mapped(work.inputs, (rows, *row_shape), work.order["offset"], mmap.ACCESS_READ)
    answers = _mapped(work.answers, (rows, *out_shape), 0, mmap.ACCESS_WRITE)
    # In a random order, so that no answer can depend on the one before.
    starts = default_rng(work.order["shuffle"]).permutation(np.arange(0, rows, batch))
    for start in starts.tolist():
        end = min(start + batch, rows)
        answers[start:end] = _infer(model, inputs[start:end], out_shape)


def _mapped(descriptor: int, shape: tuple[int, ...], offset: int, access: int) -> np.ndarray:
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
