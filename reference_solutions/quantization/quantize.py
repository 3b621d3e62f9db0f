"""Make trained ONNX models smaller: int8 arithmetic, and int8 or int4 storage.

    python quantize.py      teacher_ptq.onnx and student_ptq.onnx from the float32 models

Where ONNX Runtime does the work, its arguments decide whether it pays: measure before and after.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from model import PAD
from onnx import ModelProto, TensorProto
from onnxruntime import quantization
from train import parser

from grader import starter
from grader.starter import Posts

Granularity = Literal["tensor", "channel", "block"]
SMALLEST_SCALE = 1e-6
"""A row of zeros (the padding's) would get the scale 0, and 0 / 0 is NaN."""


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
    # BEGIN SOLUTION
    *,
    embedding: bool = True,
    per_channel: bool = True,
    weights: quantization.QuantType = quantization.QuantType.QInt8,
    # END SOLUTION
) -> ModelProto:
    """int8 products; the scale of what comes in is found anew for every post."""
    # BEGIN SOLUTION
    # ONNX Runtime's defaults are unsigned weights and one scale a tensor, which its kernels for
    # x86-64 multiply more slowly (experiments.csv).
    chosen = {
        "op_types_to_quantize": ["MatMul", "Gather"] if embedding else ["MatMul"],
        "per_channel": per_channel,
        "weight_type": weights,
    }
    # STARTER
    # # TODO: three arguments of quantize_dynamic decide whether this pays. op_types_to_quantize:
    # # which operator looks up most of the bytes of this model? per_channel: one scale for a whole
    # # matrix, or one for each output? weight_type: the default is unsigned; x86 multiplies
    # # quantization.QuantType.QInt8 faster.
    # chosen = {"op_types_to_quantize": ["MatMul"]}
    # END SOLUTION
    with starter.on_disk(model) as (source, target):
        quantization.quantize_dynamic(source, target, **chosen)
        return onnx.load(target)


def static(model: ModelProto, posts: Posts) -> ModelProto:
    """int8 products; scales are fixed beforehand, from what posts make of every input.

    Only training posts may be shown here: a scale that has seen the test has learned from it.
    """
    # BEGIN SOLUTION
    with starter.on_disk(model) as (source, target):
        quantization.quantize_static(
            source,
            target,
            calibration(model, posts),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return onnx.load(target)
    # STARTER
    # # TODO: quantization.quantize_static(source, target, calibration(model, posts),
    # # quant_format=quantization.QuantFormat.QDQ, ...). The posts are handed in: write their texts
    # # into calibration.txt, one a line. Is it faster than `dynamic`, and is it as good?
    # raise NotImplementedError("write static in quantize.py before you use it")
    # END SOLUTION


def lookup(model: ModelProto) -> ModelProto:
    """A student in int8: the table with one scale, products with one a channel.

    Its first layer reads nothing but rows of the table, so their numbers need no calibration and
    are never rounded twice. They move as bytes; the DequantizeLinear stands right before what
    reads them. Where that is a product, ONNX Runtime replaces both by one product of integers.
    """
    # BEGIN SOLUTION
    model = copy.deepcopy(model)
    graph, array = model.graph, onnx.numpy_helper.from_array
    table = starter.weights(model)["embedding.weight"]
    scale = np.float32(max(np.abs(table).max() / 127, SMALLEST_SCALE))
    levels = (np.clip(np.rint(table / scale), -127, 127) + 128).astype(np.uint8)
    stored = next(weight for weight in graph.initializer if weight.name == "embedding.weight")
    stored.CopyFrom(array(levels, "embedding.weight"))
    reader = next(node for node in graph.node if node.name in ("convolution", "bag"))
    moved = reader.input[0]
    names = [moved, f"{moved}.scale", f"{moved}.zero"]
    graph.initializer.append(array(np.asarray(scale), names[1]))
    zero = np.asarray(np.uint8(128))  # the padding's row is 0, and stays exactly 0
    graph.initializer.append(array(zero, names[2]))
    reader.input[0] = f"{moved}.real"
    widen = onnx.helper.make_node("DequantizeLinear", names, [reader.input[0]])
    graph.node.insert(list(graph.node).index(reader), widen)
    return weight_only(model, Storage(embedding=False))
    # STARTER
    # # TODO: store `embedding.weight` as uint8 with one scale and the zero point 128; put a
    # # DequantizeLinear right before the product of `convolution`, not behind the Gather. The other
    # # weights are for weight_only(model, Storage(embedding=False)).
    # raise NotImplementedError("write lookup in quantize.py before you use it")
    # END SOLUTION


def weight_only(model: ModelProto, storage: Storage) -> ModelProto:
    """Weights stored in few bits behind a DequantizeLinear; products of float32 as before."""
    model = copy.deepcopy(model)
    weights = starter.weights(model)
    for node in list(model.graph.node):
        place = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        name = "" if place is None else node.input[place]
        if name not in weights or (node.op_type == "Gather" and not storage.embedding):
            continue
        levels, scale, axis = quantize(weights.pop(name), storage, by_row=node.op_type == "Gather")
        packed = levels.astype(ml_dtypes.int4) if storage.bits == 4 else levels
        stored = {f"{name}.levels": packed, f"{name}.scale": scale}
        sizes = {"block_size": storage.block} if storage.granularity == "block" else {}
        starter.replace_weight(model, name, "DequantizeLinear", stored, axis=axis, **sizes)
    onnx.checker.check_model(model, full_check=True)
    return model


def quantize(
    values: np.ndarray, storage: Storage, *, by_row: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Integers (int8), scales (float32) and the axis of the scales: values = integers * scales.

    Symmetric, so that 0 stays 0: the largest absolute value of a group becomes 127 (7 at 4 bits),
    and a scale is never smaller than SMALLEST_SCALE. The group is the whole tensor (scale of shape
    ()), a row or column (scales of shape (n,)), or `storage.block` numbers of one (scales with both
    axes, the one that is cut in blocks shorter). `by_row` is for tables, whose rows are used alone;
    columns of a matrix are its outputs.
    """
    # BEGIN SOLUTION
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
    # STARTER
    # # TODO: what does each group cost, at 8 bits and 4?
    # raise NotImplementedError("write quantize in quantize.py before weight_only is used")
    # END SOLUTION


def float16(model: ModelProto) -> ModelProto:
    """Every weight stored in half the bytes behind a Cast."""
    model = copy.deepcopy(model)
    for name, values in starter.weights(model).items():
        half = {f"{name}.half": values.astype(np.float16)}
        starter.replace_weight(model, name, "Cast", half, to=TensorProto.FLOAT)
    return model


def calibration(model: ModelProto, posts: Posts, count: int = 256) -> starter.Calibration:
    """The first of `posts`, one at a time, under the names of the model's inputs."""
    names = [port.name for port in model.graph.input]
    return starter.Calibration(feed(names, post.numpy()[None]) for post in posts.ids[:count])


def feed(names: Sequence[str], ids: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs that a model asks for, of input_ids (batch, length)."""
    everything = {"input_ids": ids, "attention_mask": (ids != PAD).astype(np.int64)}
    return {name: everything[name] for name in names}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    # BEGIN SOLUTION
    ways = {"teacher": dynamic, "student": lookup}
    # STARTER
    # ways = {"teacher": dynamic, "student": dynamic}  # TODO: lookup
    # END SOLUTION
    for name, small in ways.items():
        model = onnx.load(arguments.out / f"{name}.onnx")
        onnx.save(small(model), arguments.out / f"{name}_ptq.onnx")


if __name__ == "__main__":
    main()
