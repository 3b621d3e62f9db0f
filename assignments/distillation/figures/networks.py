"""The networks that the distillation handout measures: what is timed, and what is rounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from grader.handout.figures import project
from grader.lesson import course
from grader.text import Text

model = project(course.student_template() / "distillation", "model").model

# Rounding -----------------------------------------------------------------------------------

OUTPUT_AXIS = {"Conv": 0, "GRU": 1, "MatMul": -1, "Gemm": 0}


@dataclass(frozen=True)
class Grid:
    """A set of values that weights are rounded to; `bits` 16 is float16."""

    bits: int
    per_channel: bool = True

    def rounded(self, weight: np.ndarray, axis: int) -> np.ndarray:
        """`weight` on the grid, one scale for each index of `axis`, or one for all."""
        if self.bits == 16:
            return weight.astype(np.float16).astype(np.float32)
        others = tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
        largest = np.abs(weight).max(axis=others if self.per_channel else None, keepdims=True)
        scale = np.maximum(largest, 1e-8) / (2 ** (self.bits - 1) - 1)
        return (np.rint(weight / scale) * scale).astype(np.float32)


GRIDS = (
    (Text("weights float16"), Grid(16)),
    (
        Text("weights int8, a scale per channel"),
        Grid(8),
    ),
    (
        Text("weights int8, a scale per matrix"),
        Grid(8, per_channel=False),
    ),
    (Text("weights 4 bits, per channel"), Grid(4)),
    (Text("weights 3 bits, per channel"), Grid(3)),
)


def on_grid(original: onnx.ModelProto, grid: Grid) -> onnx.ModelProto:
    """A copy with every weight matrix and kernel rounded; biases stay as they are."""
    copy = onnx.ModelProto.FromString(original.SerializeToString())
    axes = {
        name: OUTPUT_AXIS[node.op_type]
        for node in copy.graph.node
        if node.op_type in OUTPUT_AXIS
        for name in node.input[1 : 3 if node.op_type == "GRU" else 2]
    }
    touched = 0
    for weight in copy.graph.initializer:
        if weight.name in axes:
            values = grid.rounded(numpy_helper.to_array(weight), axes[weight.name])
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
            touched += values.size
    if touched < 60_000:
        raise RuntimeError(f"only {touched} weights of the baseline were found to round")
    return copy


def as_module(artefact: onnx.ModelProto) -> nn.Module:
    """The baseline as a torch module. ONNX orders a GRU's gates z, r, h; torch r, z, n."""
    stored = {
        weight.name: torch.from_numpy(numpy_helper.to_array(weight).copy())
        for weight in artefact.graph.initializer
    }
    weights = {name: value for name, value in stored.items() if not name.startswith("onnx::")}
    inputs = [node.input for node in artefact.graph.node if node.op_type == "GRU"]
    for layer, names in enumerate(inputs):
        recurrent, bias = (stored[name][0] for name in names[2:4])
        parts = (stored[names[1]][0], recurrent, *bias.chunk(2))
        for kind, part in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), parts, strict=True):
            update, reset, new = part.chunk(3)
            weights[f"gru.{kind}_l{layer}"] = torch.cat([reset, update, new])
    products = [node.input for node in artefact.graph.node if node.op_type == "MatMul"]
    for names, name in zip(products, ("energy.0.weight", "energy.2.weight"), strict=True):
        weights[name] = stored[names[1]].T
    module = model.Crnn(model.BASELINE)
    module.load_state_dict(weights)
    return module.eval()


# Contenders ---------------------------------------------------------------------------------


class PlainRnn(model.Crnn):
    """The baseline with nn.RNN for nn.GRU."""

    def __init__(self, config: model.CrnnConfig) -> None:
        super().__init__(config)
        self.gru = nn.RNN(self.gru.input_size, config.hidden_size, config.layers, batch_first=True)


class MinimalGated(nn.Module):
    """Zhou et al. (2016), eq. 6: one gate. No ONNX operator does this, so it is unrolled."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.outside = nn.Linear(inputs, 2 * hidden)
        self.forget = nn.Linear(hidden, hidden, bias=False)
        self.candidate = nn.Linear(hidden, hidden, bias=False)

    def forward(self, sequence: Tensor) -> Tensor:
        gates, candidates = self.outside(sequence).split(self.hidden, dim=2)
        state = torch.zeros_like(gates[:, 0])
        states = []
        for step in range(sequence.shape[1]):
            forget = torch.sigmoid(gates[:, step] + self.forget(state))
            new = torch.tanh(candidates[:, step] + self.candidate(forget * state))
            state = state + forget * (new - state)
            states.append(state)
        return torch.stack(states, dim=1)


class TwoLayers(nn.Module):
    """Two cells on top of each other, called as nn.GRU is."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lower, self.upper = MinimalGated(inputs, hidden), MinimalGated(hidden, hidden)

    def forward(self, sequence: Tensor) -> tuple[Tensor, None]:
        return self.upper(self.lower(sequence)), None


class MinimalCrnn(model.Crnn):
    """The baseline with minimal gated cells."""

    def __init__(self, config: model.CrnnConfig) -> None:
        super().__init__(config)
        cells = TwoLayers(self.gru.input_size, config.hidden_size)
        self.gru = cells


class Perceptron(nn.Module):
    """As many multiplications as the baseline, all weights used once, nothing sequential."""

    def __init__(self, hidden: int = 226) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(40 * 101, hidden), nn.ReLU(), nn.Linear(hidden, 2)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class Empty(nn.Module):
    """Two of the input's numbers: what asking costs."""

    def forward(self, features: Tensor) -> Tensor:
        return features[:, :2, 0]


FINE_STEPS = model.CrnnConfig(
    channels=2, kernel=(10, 4), stride=(10, 1), hidden_size=16, dropout=0.0
)


def _baseline() -> nn.Module:
    return model.Crnn(model.BASELINE)


CONTENDERS: list[tuple[Text, Callable[[], nn.Module], str]] = [
    (Text("baseline"), _baseline, "float32"),
    (
        Text("student A"),
        lambda: model.Crnn(model.STUDENT),
        "float32",
    ),
    (
        Text("plain RNN for GRU"),
        lambda: PlainRnn(replace(model.BASELINE, dropout=0.0)),
        "float32",
    ),
    (
        Text("small, fine time steps"),
        lambda: model.Crnn(FINE_STEPS),
        "float32",
    ),
    (
        Text("one-gate cell, unrolled"),
        lambda: MinimalCrnn(model.BASELINE),
        "float32",
    ),
    (Text("perceptron"), Perceptron, "float32"),
    (Text("baseline, float16"), _baseline, "float16"),
    (Text("baseline, int8"), _baseline, "int8"),
    (Text("empty model"), Empty, "float32"),
]
