"""Small ONNX models and the seminar's network, for the tests of the counter."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

torch.set_num_threads(1)

Shape = Sequence[int | str]


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Shape] | None = None,
    stored: Mapping[str, np.ndarray] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    **fields: object,
) -> bytes:
    """The bytes of a model; its output is the last node's unless named.

    `fields` go to make_graph or make_model (functions, sparse_initializer, value_info).
    """
    names = outputs or [next(name for name in reversed(nodes[-1].output) if name)]
    graph_fields = {k: fields.pop(k) for k in ("sparse_initializer", "value_info") if k in fields}
    graph = helper.make_graph(
        list(nodes),
        "g",
        [
            helper.make_tensor_value_info(name, dtype, list(shape))
            for name, shape in (inputs or {}).items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in names],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in (stored or {}).items()],
        **graph_fields,
    )
    imports = fields.pop("opset_imports", [helper.make_opsetid("", opset)])
    return helper.make_model(
        graph, opset_imports=imports, ir_version=fields.pop("ir_version", 10), **fields
    ).SerializeToString()


def node(op: str, inputs: str, outputs: str, **attributes: object) -> NodeProto:
    """make_node with names separated by spaces; `-` stands for a missing one."""
    names = [["" if name == "-" else name for name in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *names, **attributes)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


class Attention(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, states: Tensor) -> Tensor:
        alpha = torch.softmax(self.energy(states), dim=-2)
        return (states * alpha).sum(dim=-2)


class CRNN(nn.Module):
    """The seminar's keyword spotter: (N, 40, 101) log-mel to (N, 2) logits."""

    def __init__(
        self,
        hidden: int = 64,
        channels: int = 8,
        kernel: tuple[int, int] = (5, 20),
        stride: tuple[int, int] = (2, 8),
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, channels, kernel, stride), nn.Flatten(1, 2))
        rows = (40 - kernel[0]) // stride[0] + 1
        self.gru = nn.GRU(rows * channels, hidden, layers, dropout=0.1, batch_first=True)
        self.attention = Attention(hidden)
        self.classifier = nn.Linear(hidden, 2)

    def forward(self, features: Tensor) -> Tensor:
        frames = self.conv(features.unsqueeze(1)).transpose(-1, -2)
        states, _ = self.gru(frames)
        return self.classifier(self.attention(states))


def export(module: nn.Module, example: Tensor, *, dynamo: bool = False, opset: int = 18) -> bytes:
    """Export with a dynamic batch, by the tracing exporter or by the one on torch.export."""
    module = module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(
                module,
                (torch.cat([example, example]),),
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=["features"],
                output_names=["logits"],
                dynamic_shapes=({0: "batch"},),
            )
            assert program is not None
            return program.model_proto.SerializeToString()
        buffer = io.BytesIO()
        torch.onnx.export(
            module,
            (example,),
            buffer,
            dynamo=False,
            opset_version=opset,
            input_names=["features"],
            output_names=["logits"],
            dynamic_axes={"features": {0: "batch"}, "logits": {0: "batch"}},
        )
        return buffer.getvalue()


def constants(raw: bytes) -> int:
    """Bytes of all initializers and Constant nodes of a model without functions, by numpy."""
    parsed = onnx.load_from_string(raw)
    tensors = [*parsed.graph.initializer]
    for each in parsed.graph.node:
        tensors += [attribute.t for attribute in each.attribute if attribute.HasField("t")]
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in tensors)
