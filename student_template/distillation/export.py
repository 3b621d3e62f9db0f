"""From a PyTorch module to the `model.onnx` that is graded.

`export` writes the weights as float32, float16 or int8; `agreement` runs the written file and
compares it with the module, so that what you trained is what will be graded.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn

Storage = Literal["float32", "float16", "int8"]

TOLERANCE: dict[Storage, float] = {"float32": 1e-4, "float16": 0.05, "int8": 0.5}
"""Largest difference of a logit that rounding the weights may make; more is a mistake."""

OUTPUT_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": -1, "GRU": 1, "LSTM": 1, "RNN": 1}
"""Which axis of an operator's weights counts output channels: each gets its own int8 scale."""


class Disagreement(AssertionError):
    """The exported file computes something else than the module."""


def export(module: nn.Module, path: Path, storage: Storage = "float32") -> None:
    """Write `module` as ONNX with input `features` (batch, 40, 101) and output `logits`.

    The module is put in evaluation mode. float16 weights stand behind a Cast, int8 weights
    behind a DequantizeLinear: the arithmetic stays float32, the stored bytes shrink.
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage is one of {get_args(Storage)}, not {storage!r}")
    model = _translate(module, path)
    _drop_zero_states(model.graph)
    if storage != "float32":
        _store_small(model.graph, storage)
    _drop_unused(model.graph)
    del model.graph.value_info[:]  # shapes of the graph as it was before the changes
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def agreement(
    module: nn.Module, path: Path, features: np.ndarray, storage: Storage = "float32"
) -> float:
    """Largest absolute difference between the module's logits and the file's.

    Raises Disagreement when it is more than rounding to `storage` explains.
    """
    difference = float(np.abs(run(path, features) - _logits(module, features)).max())
    if not difference <= TOLERANCE[storage]:
        raise Disagreement(
            f"{path.name} differs from the module by {difference:.3g} in a logit; at most "
            f"{TOLERANCE[storage]:g} is expected for {storage}. Export again after the last "
            "change, and check that the module has no randomness in evaluation mode."
        )
    return difference


def run(path: Path, features: np.ndarray) -> np.ndarray:
    """Logits (clips, 2) of an exported file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"features": np.asarray(features, np.float32)})[0]


@torch.no_grad()
def _logits(module: nn.Module, features: np.ndarray) -> np.ndarray:
    return module.eval()(torch.from_numpy(np.array(features, np.float32))).numpy()


def _translate(module: nn.Module, path: Path) -> onnx.ModelProto:
    """ONNX of the module. The older exporter writes a GRU as one GRU operator; the newer one
    cuts its weights up at run time."""
    example = torch.zeros(2, 40, 101)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter says that there is a newer one
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            input_names=["features"],
            output_names=["logits"],
            dynamic_axes={"features": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    return onnx.load(path)


def _drop_zero_states(graph: onnx.GraphProto) -> None:
    """A GRU without an initial state starts at zero: there is no need to build the zeros."""
    fillers = {node.output[0] for node in graph.node if node.op_type == "ConstantOfShape"}
    for node in graph.node:
        if node.op_type in ("GRU", "LSTM", "RNN"):
            for index in range(5, len(node.input)):
                if _source(graph, node.input[index]) in fillers:
                    node.input[index] = ""


def _source(graph: onnx.GraphProto, name: str) -> str:
    """The tensor that `name` is a slice of."""
    for node in graph.node:
        if name in node.output and node.op_type in ("Slice", "Identity"):
            return _source(graph, node.input[0])
    return name


def _store_small(graph: onnx.GraphProto, storage: Storage) -> None:
    """Replace every float32 weight by a smaller one and the operator that widens it again."""
    axes = _output_axes(graph)
    wideners: list[NodeProto] = []
    for weight in [item for item in graph.initializer if item.data_type == TensorProto.FLOAT]:
        graph.initializer.remove(weight)
        values = numpy_helper.to_array(weight)
        if storage == "int8" and weight.name in axes:
            wideners += _as_int8(graph, weight.name, values, axes[weight.name])
        else:
            wideners.append(_as_float16(graph, weight.name, values))
    for node in reversed(wideners):
        graph.node.insert(0, node)


def _output_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """Weight matrices and kernels by name, with the axis of their output channels."""
    axes = {}
    for node in graph.node:
        if node.op_type in OUTPUT_AXIS:
            recurrent = node.op_type in ("GRU", "LSTM", "RNN")
            for name in node.input[1 : 3 if recurrent else 2]:
                axes[name] = OUTPUT_AXIS[node.op_type]
    return axes


def _as_float16(graph: onnx.GraphProto, name: str, values: np.ndarray) -> NodeProto:
    small = values.astype(np.float16)
    graph.initializer.append(numpy_helper.from_array(small, f"{name}_float16"))
    return helper.make_node("Cast", [f"{name}_float16"], [name], to=TensorProto.FLOAT)


def _as_int8(graph: onnx.GraphProto, name: str, values: np.ndarray, axis: int) -> list[NodeProto]:
    """value = scale * int8, one scale for each output channel, itself stored as float16."""
    axis %= values.ndim
    others = tuple(i for i in range(values.ndim) if i != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = np.maximum(largest / 127, 1e-6).astype(np.float16)  # an empty row must not give 0
    levels = np.clip(np.rint(values / scale.astype(np.float32)), -127, 127).astype(np.int8)
    graph.initializer.append(numpy_helper.from_array(levels, f"{name}_int8"))
    widen_scale = _as_float16(graph, f"{name}_scale", scale.reshape(-1))
    inputs = [f"{name}_int8", f"{name}_scale"]
    return [widen_scale, helper.make_node("DequantizeLinear", inputs, [name], axis=axis)]


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove operators and weights whose results nobody reads."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for weight in list(graph.initializer):
        if weight.name not in needed:
            graph.initializer.remove(weight)
