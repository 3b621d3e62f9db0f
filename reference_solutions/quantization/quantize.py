"""Make trained ONNX models smaller: int8 arithmetic, and int8 or int4 storage.

    python quantize.py      teacher_ptq.onnx and student_ptq.onnx from the float32 models

`dynamic` and `static` are ONNX Runtime's: int8 products, with the settings that make them fast.
`lookup` quantizes the student, whose products read the embedding table directly. `weight_only`
changes what is stored and leaves the arithmetic float32; `float16` likewise.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from train import PAD, Posts, parser

Granularity = Literal["tensor", "channel", "block"]
SMALLEST_SCALE = 1e-6
"""A row of zeros (the padding's) would get the scale 0, and 0 / 0 is NaN without a word."""


@dataclass(frozen=True)
class Storage:
    """How `weight_only` writes a weight."""

    bits: Literal[4, 8] = 8
    granularity: Granularity = "channel"
    """What shares a scale: the whole tensor; a column of a matrix (a row of the embedding);
    `block` numbers of a column or row."""
    block: int = 16
    embedding: bool = True
    """Whether the embedding table is written so, too."""


def dynamic(
    model: ModelProto,
    *,
    embedding: bool = True,
    per_channel: bool = True,
    weights: QuantType = QuantType.QInt8,
) -> ModelProto:
    """int8 products; the scale of what comes in is found anew for every post.

    ONNX Runtime's defaults are unsigned weights and one scale a tensor, which its kernels for
    x86-64 multiply more slowly (experiments.csv).
    """
    operators = ["MatMul", "Gather"] if embedding else ["MatMul"]
    with on_disk(model) as (source, target):
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=operators,
            per_channel=per_channel,
            weight_type=weights,
        )
        return onnx.load(target)


def static(model: ModelProto, posts: Posts) -> ModelProto:
    """int8 products; scales are fixed beforehand, from what 256 posts make of every input.

    Only training posts may be shown here: a scale that has seen the test has learned from it.
    """
    with on_disk(model) as (source, target):
        quantize_static(
            source,
            target,
            Calibration(model, posts),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def lookup(model: ModelProto) -> ModelProto:
    """A student in int8: the table with one scale, products with one a channel.

    Its first layer reads nothing but rows of the table, so their numbers need no calibration and
    are never rounded twice. They move as bytes; the DequantizeLinear stands right before what
    reads them. Where that is a product, ONNX Runtime replaces both by one product of integers.
    """
    model = _copy(model)
    weights = {weight.name: weight for weight in model.graph.initializer}
    table = numpy_helper.to_array(weights["embedding.weight"])
    scale = np.float32(max(np.abs(table).max() / 127, SMALLEST_SCALE))
    levels = (np.clip(np.rint(table / scale), -127, 127) + 128).astype(np.uint8)
    weights["embedding.weight"].CopyFrom(numpy_helper.from_array(levels, "embedding.weight"))
    reader = next(node for node in model.graph.node if node.name in ("convolution", "bag"))
    moved = reader.input[0]
    _store(model, scale, f"{moved}.scale")
    _store(model, np.uint8(128), f"{moved}.zero")  # the padding's row is 0, and stays exactly 0
    reader.input[0] = f"{moved}.real"
    widen = helper.make_node(
        "DequantizeLinear", [moved, f"{moved}.scale", f"{moved}.zero"], [reader.input[0]]
    )
    model.graph.node.insert(list(model.graph.node).index(reader), widen)
    return weight_only(model, Storage(embedding=False))


def weight_only(model: ModelProto, storage: Storage) -> ModelProto:
    """Weights stored in few bits behind a DequantizeLinear; products of float32 as before."""
    model = _copy(model)
    for node in list(model.graph.node):
        place = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        weight = None if place is None else _weight(model, node.input[place])
        if weight is None or (node.op_type == "Gather" and not storage.embedding):
            continue
        values = numpy_helper.to_array(weight)
        model.graph.initializer.remove(weight)
        levels, scale, axis = quantize(values, storage, by_row=node.op_type == "Gather")
        packed = levels.astype(ml_dtypes.int4) if storage.bits == 4 else levels
        stored = numpy_helper.from_array(packed, f"{weight.name}.levels")
        model.graph.initializer.append(stored)
        _store(model, scale, f"{weight.name}.scale")
        sizes = {"block_size": storage.block} if storage.granularity == "block" else {}
        widen = helper.make_node(
            "DequantizeLinear",
            [stored.name, f"{weight.name}.scale"],
            [weight.name],
            axis=axis,
            **sizes,
        )
        model.graph.node.insert(0, widen)
    onnx.checker.check_model(model, full_check=True)
    return model


def quantize(
    values: np.ndarray, storage: Storage, *, by_row: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Integers, scales and the axis of the scales: values = integers * scales.

    Symmetric, so that 0 stays 0: the largest number of a group becomes 127 (or 7).
    `by_row` is for tables, whose rows are used alone; columns of a matrix are its outputs.
    """
    top = 2 ** (storage.bits - 1) - 1
    channel = 0 if by_row else 1
    if storage.granularity == "tensor":
        largest, axis = np.abs(values).max(), 1
    elif storage.granularity == "channel":
        largest, axis = np.abs(values).max(axis=1 - channel, keepdims=True), channel
    else:
        axis = 1 - channel
        blocks = np.split(values, values.shape[axis] // storage.block, axis=axis)
        largest = np.concatenate([np.abs(b).max(axis=axis, keepdims=True) for b in blocks], axis)
    scale = np.maximum(largest / top, SMALLEST_SCALE).astype(np.float32)
    spread = scale.repeat(storage.block, axis) if storage.granularity == "block" else scale
    levels = np.clip(np.rint(values / spread), -top, top).astype(np.int8)
    return levels, scale.ravel() if storage.granularity == "channel" else scale, axis


def float16(model: ModelProto) -> ModelProto:
    """Every weight stored in half the bytes behind a Cast."""
    model = _copy(model)
    for weight in [w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT]:
        half = numpy_helper.to_array(weight).astype(np.float16)
        model.graph.initializer.remove(weight)
        model.graph.initializer.append(numpy_helper.from_array(half, f"{weight.name}.half"))
        cast = helper.make_node(
            "Cast", [f"{weight.name}.half"], [weight.name], to=TensorProto.FLOAT
        )
        model.graph.node.insert(0, cast)
    return model


class Calibration(CalibrationDataReader):
    """Posts, one at a time, under the names of the model's inputs."""

    def __init__(self, model: ModelProto, posts: Posts, count: int = 256) -> None:
        self.names = [port.name for port in model.graph.input]
        self.rows = iter(posts.ids[:count])

    def get_next(self) -> dict[str, np.ndarray] | None:
        post = next(self.rows, None)
        return None if post is None else feed(self.names, post.numpy()[None])


def feed(names: Sequence[str], ids: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs that a model asks for, of input_ids (batch, length)."""
    everything = {"input_ids": ids, "attention_mask": (ids != PAD).astype(np.int64)}
    return {name: everything[name] for name in names}


@contextmanager
def on_disk(model: ModelProto) -> Iterator[tuple[Path, Path]]:
    """ONNX Runtime's quantizer reads and writes files, and logs advice for exported models."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "model.onnx", Path(folder) / "small.onnx"
            onnx.save(model, source)
            yield source, target
    finally:
        logging.root.setLevel(level)


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _weight(model: ModelProto, name: str) -> TensorProto | None:
    """The stored float32 tensor of that name; None for what is computed."""
    floats = (w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT)
    return next((weight for weight in floats if weight.name == name), None)


def _store(model: ModelProto, values: np.generic | np.ndarray, name: str) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def main() -> None:
    arguments = parser(__doc__).parse_args()
    for name, small in (("teacher", dynamic), ("student", lookup)):
        model = onnx.load(arguments.out / f"{name}.onnx")
        onnx.save(small(model), arguments.out / f"{name}_ptq.onnx")


if __name__ == "__main__":
    main()
