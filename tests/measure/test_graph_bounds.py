"""Small files that would take much memory or time to read are refused before they do."""

from __future__ import annotations

import numpy as np
import pytest
from graph_models import model, node
from onnx import helper

from grader.measure.costs.graph import inspect
from grader.measure.costs.refusals import Refused

X = {"x": ["n", 4]}


def many_outputs() -> bytes:
    """One Split, whose outputs were looked for among each other."""
    names = [f"{i:x}" for i in range(200_000)]
    split = helper.make_node("Split", ["x"], names, axis=1, num_outputs=len(names))
    return model([split, node("Identity", "0", "y")], {"x": ["n", len(names)]}, opset=18)


def empty_messages(field: int) -> bytes:
    """Two bytes for each empty message of this number, hundreds of them in memory."""
    tag = field << 3 | 2
    first = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return (first + b"\x00") * 5_000_000


def nested_empty_messages() -> bytes:
    """Empty nodes inside of the graph."""
    inside = b"\x0a\x00" * 5_000_000
    return (
        b"\x3a"
        + bytes([len(inside) >> shift & 127 | 128 for shift in (0, 7, 14)])
        + bytes([len(inside) >> 21])
        + inside
    )


def wide_function() -> bytes:
    """A function with 10,000 unused inputs, called 1,000 times."""
    inputs = [f"i{at}" for at in range(10_000)]
    body = [helper.make_node("Relu", ["i0"], ["o"])]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    function = helper.make_function("mine", "wide", inputs, ["o"], body, imports[:1])
    calls = [
        helper.make_node("wide", ["x" if at == 0 else f"h{at}"], [f"h{at + 1}"], domain="mine")
        for at in range(1_000)
    ]
    return model(calls, X, functions=[function], opset_imports=imports)


def many_inputs_of_a_node() -> bytes:
    """A Concat of 60,000 references to one tensor."""
    return model([helper.make_node("Concat", ["x"] * 60_000, ["y"], axis=1)], X)


BOUNDED = {
    "many outputs": (many_outputs, "many_names"),
    "empty functions": (lambda: empty_messages(25), "many_fields"),
    "empty metadata": (lambda: empty_messages(14), "many_fields"),
    "empty nodes": (nested_empty_messages, "many_fields"),
    "a wide function": (wide_function, "many_names"),
    "many inputs": (many_inputs_of_a_node, "many_names"),
}


@pytest.mark.parametrize("name", sorted(BOUNDED))
def test_what_takes_too_much_to_read_is_refused_by_its_size(name: str) -> None:
    make, code = BOUNDED[name]
    with pytest.raises(Refused) as caught:
        inspect(make())
    assert caught.value.code == code


def test_honest_names_and_weights_are_not_fields_too_many() -> None:
    stored = {"w": np.zeros((4, 200_000), np.float32)}
    assert inspect(model([node("MatMul", "x w", "y")], X, stored)).params == 800_000
