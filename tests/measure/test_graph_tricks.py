"""Attempts to look cheaper, and their counts."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from graph_models import CRNN, export, model, node, weights
from onnx import NodeProto, helper

from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.costs.refusals import Refused

K, N = 12, 8  # a product of a vector of K with a K x N matrix: 96 MACs
X = {"x": ["n", 1, K]}


def macs(nodes: list[NodeProto], stored: dict | None = None, **options: object) -> int:
    return inspect(model(nodes, X, stored, **options)).macs


def test_a_matrix_product_written_as_products_and_sums_costs_the_same() -> None:
    by_matmul = macs([node("MatMul", "x w", "y")], {"w": weights(K, N)})
    by_sum = macs(
        [node("Mul", "x w", "p"), node("ReduceSum", "p axis", "y", keepdims=0)],
        {"w": weights(N, K), "axis": np.array([2])},
    )
    assert by_matmul == by_sum == K * N


@pytest.mark.parametrize(
    "products",
    [
        [node("Div", "x w", "p")],
        [node("Expand", "x size", "e"), node("PRelu", "e w", "p")],
        [node("Exp", "x", "e"), node("Pow", "e w", "p")],
        [node("Log", "x", "l"), node("Add", "l w", "s"), node("Exp", "s", "p")],
        [node("Add", "x w", "s"), node("Sub", "x w", "d"), node("Max", "s d", "p")],
        [node("Sub", "x w", "d"), node("Abs", "d", "p")],
        [node("Add", "x w", "s"), node("Tanh", "s", "p")],
        [node("Mod", "x w", "p", fmod=1)],
        [node("Gather", "x index", "p", axis=2)],
        [node("Add", "x w", "s"), node("Cast", "s", "i", to=7), node("Gather", "table i", "p")],
    ],
    ids=lambda nodes: "-".join(each.op_type for each in nodes),
)
@pytest.mark.parametrize("reduce", ["ReduceSum", "ReduceMean", "tree", "Softmax", "CumSum"])
def test_no_detour_around_multiplication_is_cheaper(products: list, reduce: str) -> None:
    """Each replacement of a matrix product is charged as many MACs as the product has.

    (Up to the first term of each of the N sums.)
    """
    stored = {
        "w": np.abs(weights(N, K)),
        "index": np.random.default_rng(0).integers(0, K, (N, K)),
        "table": weights(1000),
        "axis": np.array([-1]),
        "size": np.array([1, N, K]),
    }
    nodes = list(products)
    if reduce == "tree":
        nodes.append(helper.make_node("Split", ["p"], [f"p{i}" for i in range(4)], axis=-1))
        nodes += [node("Add", "p0 p1", "a"), node("Add", "p2 p3", "b"), node("Add", "a b", "t")]
        nodes.append(node("ReduceSum", "t axis", "y"))
    elif reduce == "Softmax":
        nodes.append(node("LogSoftmax", "p", "y", axis=-1))
    else:
        nodes.append(node(reduce, "p" if reduce == "ReduceMean" else "p axis", "y"))
    if reduce == "ReduceMean":
        nodes[-1].attribute.append(helper.make_attribute("axes", [-1]))
    used = {name for each in nodes for name in each.input}
    assert macs(nodes, {k: v for k, v in stored.items() if k in used}) >= K * N - N


def test_additions_are_free_where_they_finish_a_multiplication_and_only_there() -> None:
    """One multiplication pays for one addition."""
    linear = node("MatMul", "x w", "h")
    stored = {"w": weights(K, N), "b": weights(N), "c": weights(N)}
    bias = [linear, node("Add", "h b", "y")]
    assert macs(bias, {k: stored[k] for k in "wb"}) == K * N
    twice = [linear, node("Add", "h b", "i"), node("Add", "h c", "j")]
    joined = [*twice, node("Concat", "i j", "y", axis=1)]
    assert macs(joined, stored) == K * N + N
    assert macs([node("Add", "x b", "y")], {"b": weights(K)}) == K


def test_bias_residual_and_pooling_after_a_layer_are_free() -> None:
    square = {"w": weights(K, K), "b": weights(K)}
    residual = [
        node("MatMul", "x w", "h"),
        node("Add", "h b", "i"),
        node("Relu", "i", "r"),
        node("Add", "r x", "y"),
    ]
    assert macs(residual, square) == K * K
    pooled = [node("Conv", "x w", "h"), node("Relu", "h", "r"), node("GlobalAveragePool", "r", "y")]
    assert macs(pooled, {"w": weights(4, 1, 3)}) == 4 * (K - 2) * 3 + 4


def test_bits_packed_into_integers_count_each() -> None:
    raw = model(
        [node("BitwiseAnd", "x w", "y")], X, {"w": np.zeros(K, np.uint8)}, dtype=2, opset=18
    )
    assert inspect(raw).macs == 8 * K


def test_two_numbers_in_one_wide_one_do_not_halve_the_cost() -> None:
    w = weights(K, N).astype(np.float64)
    assert inspect(model([node("MatMul", "x w", "y")], X, {"w": w}, dtype=11)).macs == 4 * K * N


def test_lies_about_shapes_are_not_read() -> None:
    honest = export(CRNN(8), torch.zeros(1, 40, 101))
    parsed = onnx.load_from_string(honest)
    for each in parsed.graph.node:
        for name in each.output:
            lie = helper.make_tensor_value_info(name, 1, [1])
            parsed.graph.value_info.append(lie)
    parsed.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 77
    report = inspect(parsed.SerializeToString())
    assert report.macs == inspect(honest).macs
    assert report.outputs[0].shape == ("batch", 2)


def test_work_that_appears_only_in_larger_batches_is_refused() -> None:
    """At batch 1 the slice keeps 2 of 12 columns, from batch 2 on all of them."""
    nodes = [
        node("Shape", "x", "n", end=1),
        node("Sub", "n one", "more"),
        node("Mul", "more ten", "extra"),
        node("Add", "extra two", "stop"),
        node("Slice", "x zero stop last", "part"),
        node("Unsqueeze", "part last", "column"),
        node("MatMul", "column row", "y"),
    ]
    numbers = {"zero": 0, "one": 1, "two": 2, "ten": 10, "last": -1}
    stored = {name: np.array([value]) for name, value in numbers.items()}
    raw = model(nodes, X, stored | {"row": weights(1, N)})
    with pytest.raises(Refused, match="batch of 2") as refusal:
        inspect(raw)
    assert refusal.value.code == "batch_growth"
    assert inspect(raw, GraphLimits(batches=(1,))).macs == 2 * N


def test_a_size_of_the_example_cannot_pass_as_the_batch() -> None:
    with pytest.raises(Refused, match="Axis 1 of input x"):
        inspect(model([node("Relu", "x", "y")], {"x": ["n", "n", 4]}))


def test_state_inputs_may_have_the_batch_inside() -> None:
    nodes = [node("MatMul", "x w", "h"), node("MatMul", "s w", "y")]
    inputs = {"x": ["n", 4], "s": [2, "n", 4]}
    assert inspect(model(nodes, inputs, {"w": weights(4, 3)})).macs == 12 + 24


def test_named_sizes_can_be_fixed_by_a_lesson() -> None:
    raw = model([node("MatMul", "x w", "y")], {"x": ["n", "time", 4]}, {"w": weights(4, 3)})
    with pytest.raises(Refused, match="Axis 1 of input x"):
        inspect(raw)
    assert inspect(raw, GraphLimits(sizes={"time": 10})).macs == 120


def test_nodes_on_constants_run_once_and_cost_nothing() -> None:
    nodes = [
        node("DequantizeLinear", "q s z", "a"),
        node("MatMul", "a b", "w"),  # a matrix stored as two factors
        node("MatMul", "x w", "y"),
    ]
    stored = {
        "q": np.zeros((K, 2), np.int8),
        "s": np.float32(0.1),
        "z": np.int8(0),
        "b": weights(2, N),
    }
    report = inspect(model(nodes, X, stored))
    assert (report.macs, report.elementwise_macs) == (K * N, 0)
    assert report.bytes == 2 * K + 4 + 1 + 4 * 2 * N


def test_generated_weights_store_nothing_but_the_recipe() -> None:
    nodes = [
        node("Range", "zero stop step", "r"),
        node("Sin", "r", "f"),
        node("Reshape", "f shape", "w"),
        node("MatMul", "x w", "y"),
    ]
    stored = {
        "zero": np.float32(0),
        "stop": np.float32(K * N),
        "step": np.float32(1),
        "shape": np.array([K, N]),
    }
    report = inspect(model(nodes, X, stored))
    assert (report.macs, report.bytes) == (K * N, 12 + 16)


def test_all_nodes_count_even_when_nothing_uses_them() -> None:
    nodes = [node("MatMul", "x w", "unused"), node("Relu", "x", "y")]
    assert macs(nodes, {"w": weights(K, N)}) == K * N


def test_functions_are_counted_inside() -> None:
    inner = helper.make_function(
        "mine",
        "product",
        ["a", "b"],
        ["c"],
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        [helper.make_opsetid("", 17)],
    )
    scale = helper.make_node("LeakyRelu", ["h"], ["c"])
    scale.attribute.append(
        onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    )
    outer = helper.make_function(
        "mine",
        "layer",
        ["a", "b", "missing"],
        ["c"],
        [helper.make_node("product", ["a", "b"], ["h"], domain="mine"), scale],
        [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)],
        attributes=["slope"],
    )
    call = helper.make_node("layer", ["x", "w"], ["y"], domain="mine", slope=0.3)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    report = inspect(
        model([call], X, {"w": weights(K, N)}, functions=[inner, outer], opset_imports=imports)
    )
    assert report.macs == K * N + N
    assert report.bytes == 4 * K * N + 4
