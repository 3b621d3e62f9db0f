"""Sandbox B: one ONNX model over a file of rows, and a few rows one at a time, against a rival.

Protocol, raw little-endian: one byte (0 artefact, 1 rival) and one float32 row asks for one
float32 row; byte 255 asks for the evaluation of all rows, in the order that `shuffle` says.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.random import default_rng

from grader.sandbox.isolation.work import ChildExit, Failure, Work
from grader.sandbox.runners.child.runtime import classified, open_session

EVALUATE = 255
_FLOAT32 = np.dtype("<f4")


def keep(data: bytes) -> Any:
    """The rival: loaded once, before any submission is."""
    return _load(data)


def run(work: Work) -> None:
    models = [_load(work.blob(0)), work.kept]
    row_shape, out_shape = tuple(work.order["row_shape"]), tuple(work.order["out_shape"])
    row_bytes = 4 * int(np.prod(row_shape))
    while (which := work.channel.read(1)[0]) != EVALUATE:
        row = np.frombuffer(work.channel.read(row_bytes), "<f4").reshape(1, *row_shape)
        work.channel.write(_infer(models[which], row, out_shape).tobytes())
    _evaluate(work, models[0], row_shape, out_shape)


def order_of(rows: int, batch: int, shuffle: int) -> np.ndarray:
    """First rows of the batches, in a random order: no answer can lean on the one before."""
    return default_rng(shuffle).permutation(np.arange(0, rows, batch))


def _evaluate(
    work: Work, model: Any, row_shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> None:
    rows, batch = work.order["rows"], work.order["batch"]
    inputs = _mapped(work.inputs, (rows, *row_shape), work.order["offset"], mmap.ACCESS_READ)
    answers = _mapped(work.answers, (rows, *out_shape), 0, mmap.ACCESS_WRITE)
    for start in order_of(rows, batch, work.order["shuffle"]).tolist():
        end = min(start + batch, rows)
        answers[start:end] = _infer(model, inputs[start:end], out_shape)


def _mapped(descriptor: int, shape: tuple[int, ...], offset: int, access: int) -> np.ndarray:
    """float32 numbers of a file, in place."""
    numbers = math.prod(shape)
    memory = mmap.mmap(descriptor, offset + 4 * numbers, access=access)
    return np.frombuffer(memory, "<f4", numbers, offset).reshape(shape)


def _load(data: bytes) -> Any:
    return _Model(open_session(data))


class _Model:
    """A session and the names of its only input and output, looked up once."""

    def __init__(self, session: Any) -> None:
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
    expected = (len(rows), *out_shape)
    if type(output) is not np.ndarray or output.shape != expected or output.dtype != _FLOAT32:
        found = f"{getattr(output, 'dtype', type(output))} {getattr(output, 'shape', '')}"
        raise Failure(ChildExit.BAD_OUTPUT, f"expected float32 {expected}, found {found}")
    return output
