"""How the nodes of a counted graph are connected, and the component of each node of a text model.

A component is the embedding, the attention, or the rest.

It is read from how nodes are connected and not from their names, which a student chooses:

- a table that ids or positions look up (Gather and its relatives) is `embedding`;
- a product of two tensors that both depend on the data is `attention`. So are the layers with
  weights that lead to it (query, key, value) and the one that follows it (output), with their
  biases and scales. Searching stops at normalizations, look-ups and sums of two
  branches;
- everything else is `rest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from grader.measure.costs.graph import CountedGraph
from grader.measure.costs.walk import Step

Component = Literal["embedding", "attention", "rest"]
COMPONENTS: tuple[Component, ...] = ("embedding", "attention", "rest")

LOOK_UPS = ("Gather", "GatherElements", "GatherND")
PRODUCTS = ("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "Einsum", "Conv", "ConvInteger")
_STOPS = (
    *("LayerNormalization", "RMSNormalization", "BatchNormalization", "GroupNormalization"),
    *("InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceMax", "Softmax"),
    *LOOK_UPS,
)
_SCALES_AND_BIAS = ("Cast", "Mul", "Add", "QuantizeLinear", "DequantizeLinear")
_MAX_PASSED = 64
"""Nodes between a layer and a product; exporters write about twenty."""


@dataclass(frozen=True)
class Use:
    """One input of one node: the `position`-th input of the step with number `index`."""

    index: int
    step: Step
    position: int


class Wiring:
    """Look-ups over the steps of a counted graph, in the order in which they run."""

    def __init__(self, counted: CountedGraph) -> None:
        self.steps = counted.steps
        self.tensors = {tensor.name: tensor for tensor in counted.graph.initializer}
        self.uses: dict[str, list[Use]] = {}
        self.makers: dict[str, int] = {}
        """Numbers of the steps that make each tensor."""
        for index, step in enumerate(self.steps):
            for position, name in enumerate(step.node.inputs):
                if name:
                    self.uses.setdefault(name, []).append(Use(index, step, position))
            self.makers |= dict.fromkeys(filter(None, step.node.outputs), index)
            if step.node.op == "Constant":
                for attribute in step.node.proto.attribute:
                    if attribute.HasField("t"):
                        self.tensors[step.node.outputs[0]] = attribute.t

    def producer(self, name: str) -> Step | None:
        """The node that makes `name`; None for inputs and initializers."""
        return self.steps[self.makers[name]] if name in self.makers else None

    def is_constant(self, name: str) -> bool:
        """Whether `name` is stored, or computed from what is stored alone."""
        made = self.producer(name)
        return name in self.tensors or (made is not None and made.constant)

    def data_inputs(self, step: Step) -> list[str]:
        """Inputs that depend on the data."""
        return [name for name in step.node.inputs if name and not self.is_constant(name)]

    def value(self, name: str) -> NDArray[np.generic] | None:
        """The values of a stored tensor, also behind Identity, Cast and Reshape."""
        while name not in self.tensors:
            made = self.producer(name)
            if made is None or made.node.op not in ("Identity", "Cast", "Reshape", "Unsqueeze"):
                return None
            name = made.node.inputs[0]
        return onnx.numpy_helper.to_array(self.tensors[name])

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a stored tensor, or of a node's first output; () when unknown."""
        if name in self.tensors:
            return tuple(self.tensors[name].dims)
        made = self.producer(name)
        return made.shape if made is not None and made.node.outputs[0] == name else ()


def components(wiring: Wiring) -> dict[int, Component]:
    """The component of every node that is not `rest`, by the number of its step."""
    found: dict[int, Component] = {}
    for index, step in enumerate(wiring.steps):
        if step.node.op == "Attention" or _joins_data(wiring, step):
            around = {index, *_before(wiring, index), *_after(wiring, index)}
            found |= dict.fromkeys(around, "attention")
    for index, step in enumerate(wiring.steps):
        if step.constant:
            continue
        if step.node.op in LOOK_UPS and wiring.is_constant(step.node.inputs[0]):
            found |= dict.fromkeys((index, *_scaling(wiring, index)), "embedding")
        elif step.node.op in ("Add", "Sum") and any(
            wiring.is_constant(name) and _looked_up(wiring, name) for name in step.node.inputs
        ):
            found[index] = "embedding"  # positions, looked up when the model is loaded
    return found


def _joins_data(wiring: Wiring, step: Step) -> bool:
    """A product of two matrices that both depend on the data."""
    if step.constant or step.node.op not in ("MatMul", "MatMulInteger", "QLinearMatMul", "Einsum"):
        return False
    inputs, second = step.node.inputs, 3 if step.node.op == "QLinearMatMul" else 1
    return len(inputs) > second and not any(wiring.is_constant(inputs[i]) for i in (0, second))


def _before(wiring: Wiring, index: int) -> set[int]:
    """Nodes that lead to the product, up to and including the layers with weights."""
    passed: set[int] = set()
    waiting = wiring.data_inputs(wiring.steps[index])
    while waiting and len(passed) < _MAX_PASSED:
        number = wiring.makers.get(waiting.pop())
        if number is None or number in passed:
            continue
        step = wiring.steps[number]
        if step.node.op in _STOPS or _joins_data(wiring, step) or _adds_branches(wiring, step):
            continue
        passed.add(number)
        if not _has_weights(wiring, step):
            waiting += wiring.data_inputs(step)
    return passed


def _after(wiring: Wiring, index: int) -> set[int]:
    """The layer with weights that takes the product's result, with its scales and bias."""
    passed: set[int] = set()
    waiting, met_weights = list(wiring.steps[index].node.outputs), False
    while waiting and len(passed) < _MAX_PASSED:
        for use in wiring.uses.get(waiting.pop(), []):
            step = use.step
            joined = _joins_data(wiring, step) or _adds_branches(wiring, step)
            if use.index in passed or step.node.op in _STOPS or joined:
                continue
            weights = _has_weights(wiring, step)
            if met_weights and (weights or step.node.op not in _SCALES_AND_BIAS):
                continue
            passed.add(use.index)
            met_weights = met_weights or weights
            waiting += [name for name in step.node.outputs if name]
    return passed if met_weights else set()


def _has_weights(wiring: Wiring, step: Step) -> bool:
    return step.node.op in PRODUCTS and any(map(wiring.is_constant, step.node.inputs[:4]))


def _adds_branches(wiring: Wiring, step: Step) -> bool:
    return step.node.op in ("Add", "Sum") and len(wiring.data_inputs(step)) > 1


def _scaling(wiring: Wiring, index: int) -> set[int]:
    """Nodes that turn looked-up integers into floats."""
    passed: set[int] = set()
    name = wiring.steps[index].node.outputs[0]
    for _ in range(3):
        uses = wiring.uses.get(name, [])
        if len(uses) != 1 or uses[0].step.node.op not in ("Cast", "Sub", "Mul", "DequantizeLinear"):
            break
        if len(wiring.data_inputs(uses[0].step)) > 1:
            break
        passed.add(uses[0].index)
        name = uses[0].step.node.outputs[0]
    return passed


def _looked_up(wiring: Wiring, name: str) -> bool:
    """Whether a constant is a part of a stored matrix, by look-up or slicing."""
    for _ in range(8):
        made = wiring.producer(name)
        if made is None or not made.node.inputs:
            return False
        if made.node.op in (*LOOK_UPS, "Slice"):
            return len(made.shape) > 1
        name = made.node.inputs[0]
    return False
