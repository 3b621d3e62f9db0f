"""Quantizing activations costs nothing in the MACs, unless it is used for other work."""

from __future__ import annotations

import numpy as np
import pytest
from graph_models import model, node, weights
from onnx import NodeProto

from grader.measure.costs.graph import GraphReport, inspect

K, N = 12, 8
X = {"x": ["n", K]}
MACS = K * N
STORED = {
    "s": np.float32(0.1),
    "z": np.uint8(3),
    "t": np.float32(0.2),
    "w": weights(K, N),
    "v": np.ones((K, N), np.int8),
    "sv": np.full(N, 0.5, np.float32),
    "zv": np.zeros(N, np.int8),
    "zero": np.int8(0),
    "o": np.float32(0.3),
    "three": np.float32(3),
    "b": weights(N),
    "one": np.array([1]),
    "shape": np.array([-1, K]),
}
QUANTIZE = node("QuantizeLinear", "x s z", "q")
BACK = node("DequantizeLinear", "q s z", "d")
LINEAR = node("MatMul", "d w", "y")
DYNAMIC = node("DynamicQuantizeLinear", "x", "q qs qz")


def ask(*nodes: NodeProto) -> GraphReport:
    used = {name for each in nodes for name in each.input}
    stored = {name: value for name, value in STORED.items() if name in used}
    return inspect(model(list(nodes), X, stored, opset=21))


ONLY_QUANTIZING = {
    "there and back": ([QUANTIZE, BACK, LINEAR], 2 * K),
    "moved and pooled": (
        [
            QUANTIZE,
            node("Unsqueeze", "q one", "u"),
            node("Transpose", "u", "r", perm=[0, 2, 1]),
            node("Reshape", "r shape", "m"),
            node("DequantizeLinear", "m s z", "d"),
            LINEAR,
        ],
        2 * K,
    ),
    "weights of one byte": (
        [node("DequantizeLinear", "v sv zv", "f"), node("MatMul", "x f", "y")],
        0,
    ),
    "an integer operator": (
        [
            QUANTIZE,
            node("QLinearMatMul", "q s z v sv zv o z", "r"),
            node("DequantizeLinear", "r o z", "y"),
        ],
        K + N + N,
    ),
    "a dynamic scale": (
        [
            DYNAMIC,
            node("MatMulInteger", "q v qz zero", "i"),
            node("Cast", "i", "c", to=1),
            node("Mul", "qs sv", "scales"),
            node("Mul", "c scales", "m"),
            node("Add", "m b", "y"),
        ],
        K + N + N,
    ),
    "static, with a product of scales": (
        [
            QUANTIZE,
            node("MatMulInteger", "q v z", "i"),
            node("Cast", "i", "c", to=1),
            node("Mul", "c sv", "y"),
        ],
        K + N,
    ),
}


@pytest.mark.parametrize("name", sorted(ONLY_QUANTIZING))
def test_quantizing_stands_on_a_line_of_its_own(name: str) -> None:
    nodes, requantizing = ONLY_QUANTIZING[name]
    report = ask(*nodes)
    assert (report.macs, report.requantizing) == (MACS, requantizing)


def test_a_quantized_embedding_costs_what_a_float_one_costs() -> None:
    table, ids = node("Gather", "v i", "q"), {"i": ["n", 5]}
    scaled = [table, node("DequantizeLinear", "q s zero", "y")]
    plain = inspect(model([node("Gather", "w i", "y")], ids, {"w": STORED["w"]}, dtype=7, opset=21))
    stored = {name: STORED[name] for name in ("v", "s", "zero")}
    report = inspect(model(scaled, ids, stored, dtype=7, opset=21))
    assert report.macs == plain.macs
    assert report.requantizing == 5 * N


OTHER_WORK = {
    "back with another scale: a product": (
        [QUANTIZE, node("DequantizeLinear", "q t z", "d"), LINEAR],
        2 * K,
    ),
    "only rounded, then cast": ([QUANTIZE, node("Cast", "q", "d", to=1), LINEAR], K),
    "rounded and used twice": (
        [QUANTIZE, BACK, LINEAR, node("Cast", "q", "c", to=1), node("MatMul", "c w", "e")],
        K + K * N,
    ),
    "scales of data": (
        [
            node("ReduceMax", "x one", "most"),
            node("QuantizeLinear", "x most", "q", axis=0),
            node("DequantizeLinear", "q most", "d", axis=0),
            LINEAR,
        ],
        K + 2 * K,
    ),
    "a dynamic scale as the largest number": (
        [DYNAMIC, node("DequantizeLinear", "q qs qz", "d"), LINEAR, node("Mul", "qs three", "e")],
        3 * K,
    ),
    "a second product after the scales": (
        [
            QUANTIZE,
            node("MatMulInteger", "q v z", "i"),
            node("Cast", "i", "c", to=1),
            node("Mul", "c sv", "m"),
            node("Mul", "m b", "y"),
        ],
        N,
    ),
    "an output of codes": ([QUANTIZE, BACK, LINEAR, node("Identity", "q", "e")], K),
}


@pytest.mark.parametrize("name", sorted(OTHER_WORK))
def test_quantizing_that_does_other_work_is_counted(name: str) -> None:
    nodes, more = OTHER_WORK[name]
    nodes = list(nodes)
    outputs = ["y", "e"] if any("e" in each.output for each in nodes) else ["y"]
    used = {name for each in nodes for name in each.input}
    stored = {name: value for name, value in STORED.items() if name in used}
    report = inspect(model(nodes, X, stored, opset=21, outputs=outputs))
    assert report.macs == MACS + more
