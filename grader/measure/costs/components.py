"""Which part of a text model a node belongs to: its embedding, its attention, or the rest.

Read from the wiring and not from names, which a student chooses:

- a table that ids or positions look up (Gather and its relatives) is `embedding`;
- a product of two tensors that both depend on the data is what attention is made of. The layers
  with weights that lead to it (query, key, value) and the one that follows it (output), with their
  biases and scales, are `attention`. Searching stops at normalisations, look-ups and sums of two
  branches;
- everything else is `rest`.
"""

from __future__ import annotations

from typing import Literal

from grader.measure.costs.walk import Step
from grader.measure.costs.wiring import Wiring

Component = Literal["embedding", "attention", "rest"]
COMPONENTS: tuple[Component, ...] = ("embedding", "attention", "rest")

LOOK_UPS = ("Gather", "GatherElements", "GatherND")
PRODUCTS = ("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "Einsum", "Conv", "ConvInteger")
_STOPS = (
    *("LayerNormalization", "RMSNormalization", "BatchNormalization", "GroupNormalization"),
    *("InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceMax", "Softmax"),
    *LOOK_UPS,
)
_MAX_PASSED = 64
"""Nodes between a layer and a product; exporters write about twenty."""


def components(wiring: Wiring) -> dict[int, Component]:
    """The component of every node that is not `rest`, by its number."""
    found: dict[int, Component] = {}
    for index, step in enumerate(wiring.steps):
        if step.node.op == "Attention" or _joins_data(wiring, step):
            for number in _around(wiring, index):
                found[number] = "attention"
    for index, step in enumerate(wiring.steps):
        if step.node.op in LOOK_UPS and not step.constant and _is_table(wiring, step):
            found[index] = "embedding"
            found |= dict.fromkeys(_scaling(wiring, index), "embedding")
        elif not step.constant and _holds_looked_up(wiring, step):
            found[index] = "embedding"
    return found


def _joins_data(wiring: Wiring, step: Step) -> bool:
    """A product of two matrices that both depend on the data."""
    if step.constant or step.node.op not in ("MatMul", "MatMulInteger", "QLinearMatMul", "Einsum"):
        return False
    second = 3 if step.node.op == "QLinearMatMul" else 1
    if len(step.node.inputs) <= second:
        return False
    return not any(wiring.is_constant(step.node.inputs[i]) for i in (0, second))


def _around(wiring: Wiring, index: int) -> set[int]:
    """The product itself, what leads from weights to it, and what follows it up to the next."""
    return {index, *_before(wiring, index), *_after(wiring, index)}


def _before(wiring: Wiring, index: int) -> set[int]:
    """Nodes from which data come to the product, up to the layers with weights."""
    passed: set[int] = set()
    waiting = list(wiring.data_inputs(wiring.steps[index]))
    while waiting and len(passed) < _MAX_PASSED:
        number = wiring.producer_index(waiting.pop())
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
            if weights and met_weights:
                continue
            if met_weights and step.node.op not in _SCALES_AND_BIAS:
                continue
            passed.add(use.index)
            met_weights = met_weights or weights
            waiting += [name for name in step.node.outputs if name]
    return passed if met_weights else set()


_SCALES_AND_BIAS = ("Cast", "Mul", "Add", "QuantizeLinear", "DequantizeLinear")


def _has_weights(wiring: Wiring, step: Step) -> bool:
    return step.node.op in PRODUCTS and any(map(wiring.is_constant, step.node.inputs[:4]))


def _adds_branches(wiring: Wiring, step: Step) -> bool:
    return step.node.op in ("Add", "Sum") and len(wiring.data_inputs(step)) > 1


def _is_table(wiring: Wiring, step: Step) -> bool:
    """Whether a look-up reads a stored table, not numbers of the data."""
    return wiring.is_constant(step.node.inputs[0])


def _scaling(wiring: Wiring, index: int) -> set[int]:
    """What turns looked-up integers into floats."""
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


def _holds_looked_up(wiring: Wiring, step: Step) -> bool:
    """Whether it adds a table of positions, which is looked up when the model is loaded."""
    if step.node.op not in ("Add", "Sum"):
        return False
    return any(wiring.is_constant(name) and _looked_up(wiring, name) for name in step.node.inputs)


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
