"""Models that avoid multiplication, addition or storage, and are charged all the same.

Each model is run in ONNX Runtime and compared with a plain computation, which shows that it works.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from graph_models import model, node
from onnx import NodeProto, TensorProto, helper

from grader.measure.costs.graph import GraphReport, inspect
from grader.measure.costs.refusals import Refused

K, N = 16, 32
RNG = np.random.default_rng(0)


def counted(raw: bytes, x: np.ndarray, expected: np.ndarray) -> GraphReport:
    """The report of a model that gives `expected` for `x`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-4, atol=1e-4)
    return inspect(raw)


def test_an_operand_summed_alone_pays_for_no_additions() -> None:
    """Ternary weights by Gather and ReduceSum, with an Einsum of one operand in between."""
    x = RNG.normal(size=(1, K)).astype(np.float32)
    chosen = {"plus": RNG.integers(0, K, (8, N)), "minus": RNG.integers(0, K, (8, N))}
    nodes: list[NodeProto] = []
    for name in chosen:
        nodes += [
            node("Gather", f"x {name}", f"g_{name}", axis=1),
            node("Einsum", f"g_{name}", f"e_{name}", equation="bkn->bkn"),
            node("ReduceSum", f"e_{name} axis", f"s_{name}", keepdims=0),
        ]
    nodes.append(node("Sub", "s_plus s_minus", "y"))
    raw = model(nodes, {"x": ["n", K]}, chosen | {"axis": np.array([1])})
    expected = x[:, chosen["plus"]].sum(1) - x[:, chosen["minus"]].sum(1)
    assert counted(raw, x, expected).macs == 2 * 7 * N + N


def test_a_product_over_nothing_is_refused() -> None:
    nodes = [node("Slice", "x z z o", "none"), node("MatMul", "none e", "y")]
    stored = {"z": np.array([0]), "o": np.array([1]), "e": np.zeros((0, 1000), np.float32)}
    with pytest.raises(Refused):
        inspect(model(nodes, {"x": ["n", K]}, stored))


def test_arithmetic_looked_up_in_tables_is_counted() -> None:
    """x @ W for small integers from a times table that is made at load time."""
    x = RNG.integers(0, 16, (1, K)).astype(np.float32)
    w = RNG.integers(0, 16, (K, N))
    nodes = [
        node("Range", "zero limit one", "r"),
        node("Unsqueeze", "r first", "row"),
        node("Unsqueeze", "r second", "column"),
        node("Mul", "column row", "table"),
        node("Cast", "x", "xi", to=TensorProto.INT64),
        node("Unsqueeze", "xi last", "xu"),
        node("Expand", "xu size", "xe"),
        node("Unsqueeze", "xe last", "a"),
        node("Expand", "w size", "we"),
        node("Unsqueeze", "we last", "b"),
        node("Concat", "a b", "places", axis=-1),
        node("GatherND", "table places", "p"),
        node("Cast", "p", "pf", to=TensorProto.FLOAT),
        node("ReduceSum", "pf second", "y", keepdims=0),
    ]
    stored = {
        "zero": np.array(0),
        "limit": np.array(16),
        "one": np.array(1),
        "first": np.array([0]),
        "second": np.array([1]),
        "last": np.array([-1]),
        "size": np.array([1, K, N]),
        "w": w,
    }
    assert counted(model(nodes, {"x": [1, K]}, stored), x, x @ w).macs >= K * N


def test_comparing_with_a_matrix_of_thresholds_is_a_layer() -> None:
    x = RNG.normal(size=(1, K)).astype(np.float32)
    limits = RNG.normal(size=(K, N)).astype(np.float32)
    nodes = [
        node("Unsqueeze", "x last", "u"),
        node("Greater", "u limits", "c"),
        node("Cast", "c", "f", to=TensorProto.FLOAT),
        node("ReduceMin", "f", "y", axes=[1], keepdims=0),
    ]
    raw = model(nodes, {"x": ["n", K]}, {"last": np.array([-1]), "limits": limits})
    assert counted(raw, x, (x[:, :, None] > limits).min(1)).macs == 2 * K * N


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic_between_data_costs_and_a_mask_does_not(op: str) -> None:
    bits = [node("Greater", "x zero", "p"), node("Less", "x one", "q")]
    stored = {"zero": np.float32(0), "one": np.float32(1), "mask": np.ones(K, bool)}
    both = model([*bits, node(op, "p q", "y")], {"x": ["n", K]}, stored)
    masked = model([*bits[:1], node(op, "p mask", "y")], {"x": ["n", K]}, stored)
    assert (inspect(both).macs, inspect(masked).macs) == (K, 0)


def test_clipping_and_masking_stay_free() -> None:
    nodes = [
        node("Max", "x zero", "a"),
        node("Min", "a six", "b"),
        node("Where", "mask b zero", "y"),
    ]
    stored = {"zero": np.float32(0), "six": np.float32(6), "mask": np.ones(K, bool)}
    assert inspect(model(nodes, {"x": ["n", K]}, stored)).macs == 0


def test_weights_wired_together_at_run_time_count_as_stored() -> None:
    """512 four-bit weights by Concat of 16 codes that formally depend on the data."""
    codes = (np.arange(16) / 8 - 1).astype(np.float32)
    chosen = RNG.integers(0, 16, K * N)
    x = RNG.normal(size=(1, K)).astype(np.float32)
    nodes = [
        node("ReduceMax", "x", "low", keepdims=0),
        node("IsNaN", "low", "never"),
        node("Where", "never codes codes", "c"),
        node("Split", "c", " ".join(f"c{i}" for i in range(16)), axis=0, num_outputs=16),
    ]
    names = [f"c{i}" for i in chosen]
    level = 0
    while len(names) > 1:
        groups = [names[i : i + 16] for i in range(0, len(names), 16)]
        names = [f"l{level}_{i}" for i in range(len(groups))]
        nodes += [
            node("Concat", " ".join(group), name, axis=0)
            for group, name in zip(groups, names, strict=True)
        ]
        level += 1
    nodes += [node("Reshape", f"{names[0]} size", "w"), node("MatMul", "x w", "y")]
    raw = model(nodes, {"x": [1, K]}, {"codes": codes, "size": np.array([K, N])}, opset=18)
    report = counted(raw, x, x @ codes[chosen].reshape(K, N))
    assert report.bytes >= K * N / 2


def in_function(domain: str, name: str, body: list[NodeProto], call: NodeProto) -> bytes:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    function = helper.make_function(domain, name, ["a", "b"], ["y"], body, imports[:1])
    return model(
        [call],
        {"x": ["n", K]},
        {"w": RNG.normal(size=(K, K)).astype(np.float32)},
        functions=[function],
        opset_imports=imports,
    )


@pytest.mark.parametrize("domain", ["com.microsoft", "com.microsoft.nchwc", "ai.onnx.ml"])
def test_a_function_that_a_runtime_would_replace_is_refused(domain: str) -> None:
    """ONNX Runtime runs its own FusedMatMul, whatever body the file gives it."""
    call = helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain=domain)
    raw = in_function(domain, "FusedMatMul", [node("Relu", "a", "y")], call)
    with pytest.raises(Refused, match="belongs to runtimes"):
        inspect(raw)


def test_functions_nested_without_end_are_refused() -> None:
    depth = 2_000
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    functions = [
        helper.make_function(
            "d",
            f"f{i}",
            ["a"],
            ["b"],
            [
                node("Relu", "a", "b")
                if i == depth - 1
                else helper.make_node(f"f{i + 1}", ["a"], ["b"], domain="d")
            ],
            imports,
        )
        for i in range(depth)
    ]
    call = helper.make_node("f0", ["x"], ["y"], domain="d")
    raw = model([call], {"x": ["n", K]}, functions=functions, opset_imports=imports)
    with pytest.raises(Refused, match="nested deeper"):
        inspect(raw)


def test_a_name_without_end_is_refused() -> None:
    raw = model([helper.make_node("Relu", ["x"], ["y"], name="n" * 100_000)], {"x": ["n", K]})
    with pytest.raises(Refused, match="name"):
        inspect(raw)


def test_a_large_constant_in_a_function_called_often_is_bounded() -> None:
    table = helper.make_tensor("t", TensorProto.FLOAT, [2**19], bytes(2**21), raw=True)
    body = [helper.make_node("Constant", [], ["c"], value=table), node("Relu", "a", "b")]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    function = helper.make_function("d", "f", ["a"], ["b"], body, imports[:1])
    calls = [
        helper.make_node("f", [f"v{i}" if i else "x"], [f"v{i + 1}"], domain="d")
        for i in range(400)
    ]
    raw = model(calls, {"x": ["n", K]}, functions=[function], opset_imports=imports)
    with pytest.raises(Refused):
        inspect(raw)
