"""Make trained ONNX models smaller: int8 arithmetic, and int8 or int4 storage.

    python quantize.py      teacher_ptq.onnx and student_ptq.onnx from the float32 models

Out of the box `dynamic` does what ONNX Runtime does unless told otherwise. Measure it, then write
what is marked TODO.
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
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic
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


def dynamic(model: ModelProto) -> ModelProto:
    """int8 products; the scale of what comes in is found anew for every post.

    TODO: three arguments of quantize_dynamic decide whether this pays. op_types_to_quantize: which
    operator looks up most of the bytes of this model? per_channel: one scale for a whole matrix, or
    one for each output? weight_type: the default is unsigned; x86 multiplies QInt8 faster.
    """
    with on_disk(model) as (source, target):
        quantize_dynamic(source, target, op_types_to_quantize=["MatMul"])
        return onnx.load(target)


def static(model: ModelProto, posts: Posts) -> ModelProto:
    """int8 products with scales that are fixed beforehand, from what posts make of every input.

    TODO: quantize_static(source, target, Calibration(model, posts), quant_format=QuantFormat.QDQ,
    ...). Only training posts may be shown here, and they are handed in: write their texts into
    calibration.txt, one a line. Is it faster than `dynamic`, and is it as good?
    """
    raise NotImplementedError("write static in quantize.py before you use it")


def lookup(model: ModelProto) -> ModelProto:
    """The convolutional student in int8, its products straight from the table of embeddings.

    TODO: its convolution reads nothing but rows of the table, so their numbers need no calibration
    and need not be rounded twice. Store `embedding.weight` as uint8 with one scale and the zero
    point 128; put a DequantizeLinear right before the product of `convolution`, not behind the
    Gather: rows then move as bytes, and ONNX Runtime makes one product of integers of it. The other
    weights are for weight_only(model, Storage(embedding=False)).
    """
    raise NotImplementedError("write lookup in quantize.py before you use it")


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
    """Integers (int8), scales (float32) and the axis of the scales: values = integers * scales.

    `by_row` is for tables, whose rows are used alone; columns of a matrix are its outputs.

    TODO: symmetric, so that 0 stays 0: the largest absolute value of a group becomes 127 (7 at 4
    bits), and a scale is never smaller than SMALLEST_SCALE. The group is the whole tensor (scale
    of shape ()), a row or column (scales of shape (n,)), or `storage.block` numbers of one (scales
    with both axes, the one that is cut in blocks shorter). What does each cost, at 8 bits and 4?
    """
    raise NotImplementedError("write quantize in quantize.py before weight_only is used")


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
    for name, small in (("teacher", dynamic), ("student", dynamic)):  # TODO: lookup
        model = onnx.load(arguments.out / f"{name}.onnx")
        onnx.save(small(model), arguments.out / f"{name}_ptq.onnx")


if __name__ == "__main__":
    main()
