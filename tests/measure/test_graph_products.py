"""One product with dense random weights, built in many ways: none is cheaper than MatMul.

The weights are 1,536 integers from -3 to 3 without 0, which hold 1,536 · log2(6) bits, about 496
bytes. Inputs are integers from 0 to 7, so that exact methods with bits and tables work. Each way is
run in ONNX Runtime first.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2

import numpy as np
import onnx
import onnxruntime
import pytest
from graph_models import model, node
from onnx import NodeProto, helper

from grader.measure.costs.graph import GraphReport, inspect

K, N, LEVELS = 48, 32, 7
RNG = np.random.default_rng(0)
W = RNG.choice([-3, -2, -1, 1, 2, 3], (K, N))
X = RNG.integers(0, LEVELS + 1, (1, K)).astype(np.float32)
LEAST_MACS = 0.95 * K * N
LEAST_BYTES = 0.95 * K * N * log2(6) / 8
SMALL = W.astype(np.int8)
FLOAT = W.astype(np.float32)

ROUNDED = {"quantized_operator": 4, "weights_of_one_byte": 0.5}
"""Ways whose results have 8 bits, or that ONNX Runtime computes in fewer bits than float32."""

Graph = tuple[list[NodeProto], dict[str, np.ndarray]]
WAYS: dict[str, Callable[[], Graph]] = {}


def way(function: Callable[[], Graph]) -> Callable[[], Graph]:
    WAYS[function.__name__] = function
    return function


def axes(*values: int) -> np.ndarray:
    return np.array(values)


def ask(graph: Graph) -> tuple[np.ndarray, GraphReport]:
    raw = model(graph[0], {"x": ["n", K]}, graph[1], opset=21)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0].reshape(N).astype(np.float64), inspect(raw)


@way
def matmul() -> Graph:
    return [node("MatMul", "x w", "y")], {"w": FLOAT}


@way
def weights_of_one_byte() -> Graph:
    nodes = [node("DequantizeLinear", "w s", "f"), node("MatMul", "x f", "y")]
    return nodes, {"w": SMALL, "s": np.float32(1)}


@way
def gemm() -> Graph:
    nodes = [node("Cast", "w", "f", to=1), node("Gemm", "x f", "y", transB=1)]
    return nodes, {"w": SMALL.T.copy()}


@way
def convolution() -> Graph:
    nodes = [node("Unsqueeze", "x a", "u"), node("Conv", "u w", "y")]
    return nodes, {"w": FLOAT.T[:, :, None].copy(), "a": axes(2)}


@way
def convolution_over_the_row() -> Graph:
    nodes = [node("Unsqueeze", "x a", "u"), node("Conv", "u w", "y")]
    return nodes, {"w": FLOAT.T[:, None, :].copy(), "a": axes(1)}


@way
def einsum() -> Graph:
    return [node("Einsum", "x w", "y", equation="nk,ko->no")], {"w": FLOAT}


@way
def products_and_sums() -> Graph:
    nodes = [node("Unsqueeze", "x a", "u"), node("Mul", "u w", "p"), node("ReduceSum", "p b", "y")]
    return nodes, {"w": FLOAT, "a": axes(2), "b": axes(1)}


@way
def products_and_running_sums() -> Graph:
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Mul", "u w", "p"),
        node("CumSum", "p one", "c"),
        node("Gather", "c last", "y", axis=1),
    ]
    return nodes, {"w": FLOAT, "a": axes(2), "one": np.array(1), "last": np.array(K - 1)}


@way
def integers() -> Graph:
    nodes = [node("Cast", "x", "u", to=2), node("MatMulInteger", "u w", "y")]
    return nodes, {"w": SMALL}


@way
def quantized_operator() -> Graph:
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("QLinearMatMul", "q s z w s zw t zt", "r"),
        node("DequantizeLinear", "r t zt", "y"),
    ]
    scales = {"s": np.float32(1), "t": np.float32(8)}
    zeros = {"z": np.uint8(0), "zw": np.int8(0), "zt": np.uint8(128)}
    return nodes, {"w": SMALL} | scales | zeros


@way
def recurrent_cell() -> Graph:
    """One step of an RNN whose state is 0; Relu of the sums and of their negatives."""
    both = np.concatenate([FLOAT.T, -FLOAT.T])[None]
    nodes = [
        node("Unsqueeze", "x a", "u"),
        helper.make_node("RNN", ["u", "w", "r"], ["h"], hidden_size=2 * N, activations=["Relu"]),
        node("Split", "h", "p m", axis=3, num_outputs=2),
        node("Sub", "p m", "y"),
    ]
    return nodes, {"w": both, "r": np.zeros((1, 2 * N, 2 * N), np.float32), "a": axes(0)}


@way
def logarithms() -> Graph:
    """x w = exp(log x + log |w|), with the signs as a second set of sums."""
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Log", "u", "l"),
        node("Add", "l w", "s"),
        node("Exp", "s", "p"),
        node("Where", "minus zero p", "up"),
        node("Where", "minus p zero", "down"),
        node("ReduceSum", "up b", "su"),
        node("ReduceSum", "down b", "sd"),
        node("Sub", "su sd", "y"),
    ]
    stored = {"w": np.log(np.abs(FLOAT)), "minus": W < 0, "zero": np.float32(0)}
    return nodes, stored | {"a": axes(2), "b": axes(1)}


@way
def quarter_squares() -> Graph:
    """sum (x + w)² - sum x² - sum w² is twice the product."""
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Cast", "w", "f", to=1),
        node("Add", "u f", "s"),
        node("ReduceSumSquare", "s b", "q", keepdims=0),
        node("ReduceSumSquare", "x b", "xx"),
        node("ReduceSumSquare", "f z", "ww", keepdims=0),
        node("Sub", "q xx", "d"),
        node("Sub", "d ww", "e"),
        node("Div", "e two", "y"),
    ]
    return nodes, {"w": SMALL, "a": axes(2), "b": axes(1), "z": axes(0), "two": np.float32(2)}


@way
def norms() -> Graph:
    """Sums of products as L1 norms, the positive and the negative ones."""
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Mul", "u up", "p"),
        node("Mul", "u down", "m"),
        node("ReduceL1", "p b", "sp", keepdims=0),
        node("ReduceL1", "m b", "sm", keepdims=0),
        node("Sub", "sp sm", "y"),
    ]
    stored = {"up": np.maximum(FLOAT, 0), "down": np.maximum(-FLOAT, 0)}
    return nodes, stored | {"a": axes(2), "b": axes(1)}


@way
def averages_over_windows() -> Graph:
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Mul", "u w", "p"),
        node("AveragePool", "p", "m", kernel_shape=[K]),
        node("Mul", "m k", "y"),
    ]
    return nodes, {"w": FLOAT.T[None].copy(), "a": axes(1), "k": np.float32(K)}


def thermometer() -> Graph:
    """Bits of x, x > 0.5, 1.5 ..., and their opposites, and a constant 0: [1, 2 K LEVELS + 1]."""
    nodes = [
        node("Unsqueeze", "x two", "x3"),
        node("Expand", "x3 size", "xe"),
        node("Greater", "xe t", "b3"),
        node("Reshape", "b3 flat", "bits"),
        node("Not", "bits", "nots"),
        node("Cast", "bits", "bf", to=1),
        node("Cast", "nots", "nf", to=1),
        node("Concat", "bf nf", "both", axis=1),
        node("Pad", "both pads", "padded"),
    ]
    stored = {"two": axes(2), "size": axes(1, 1, LEVELS), "flat": axes(-1, K * LEVELS)}
    stored |= {"t": np.arange(LEVELS, dtype=np.float32) + 0.5, "pads": axes(0, 0, 0, 1)}
    return nodes, stored


def copies() -> tuple[np.ndarray, np.ndarray]:
    """Places of the bits that make each sum, and what the negated ones add to it."""
    rows = []
    for column in W.T:
        row: list[int] = []
        for at, weight in enumerate(column):
            first = at * LEVELS + (K * LEVELS if weight < 0 else 0)
            row += list(range(first, first + LEVELS)) * abs(int(weight))
        rows.append(row)
    longest = max(map(len, rows)) + 1
    places = np.array([row + [2 * K * LEVELS] * (longest - len(row)) for row in rows])
    return places.astype(np.int16), -LEVELS * np.minimum(W, 0).sum(0).astype(np.float32)


@way
def sorted_bits() -> Graph:
    """Copies of the bits, sorted; where the ones end is the sum."""
    nodes, stored = thermometer()
    places, minus = copies()
    nodes += [
        node("Cast", "places", "p", to=7),
        node("Gather", "padded p", "g", axis=1),
        node("TopK", "g k", "s _", axis=-1),
        node("ArgMin", "s", "c", axis=-1, keepdims=0),
        node("Cast", "c", "f", to=1),
        node("Sub", "f minus", "y"),
    ]
    return nodes, stored | {"places": places, "minus": minus, "k": axes(places.shape[1])}


@way
def counted_bits() -> Graph:
    nodes, stored = thermometer()
    places, minus = copies()
    nodes += [
        node("Cast", "places", "p", to=7),
        node("Gather", "padded p", "g", axis=1),
        node("ReduceSum", "g last", "s", keepdims=0),
        node("Sub", "s minus", "y"),
    ]
    return nodes, stored | {"places": places, "minus": minus, "last": axes(-1)}


@way
def chosen_by_bits() -> Graph:
    """Each of the bits of x chooses a weight or 0."""
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Expand", "u size", "xe"),
        node("Greater", "xe t", "b"),
        node("Where", "b w zero", "c"),
        node("ReduceSum", "c sums", "y"),
    ]
    stored = {"a": axes(2, 3), "size": axes(1, K, LEVELS, N), "w": FLOAT[None, :, None, :]}
    steps = (np.arange(LEVELS, dtype=np.float32) + 0.5)[None, None, :, None]
    return nodes, stored | {"t": steps, "zero": np.float32(0), "sums": axes(1, 2)}


def looked_up(together: int) -> Graph:
    """Inputs, some at a time, choose rows of tables that are made of the weights at load time."""
    levels, groups = LEVELS + 1, K // together
    values = np.stack(np.meshgrid(*[np.arange(levels)] * together, indexing="ij"), -1)
    nodes = [
        node("Cast", "w", "f", to=1),
        node("Reshape", "f shape", "g"),  # [groups, together, N]
        node("MatMul", "values g", "tables"),  # [groups, rows, N]
        node("Reshape", "tables rows", "table"),
        node("Reshape", "x grouped", "xg"),
        node("MatMul", "xg digits", "number"),  # [1, groups]
        node("Add", "number starts", "place"),
        node("Cast", "place", "i", to=7),
        node("Gather", "table i", "p"),
        node("ReduceSum", "p one", "y"),
    ]
    rows = levels**together
    stored = {"w": SMALL, "shape": axes(groups, together, N), "rows": axes(groups * rows, N)}
    stored |= {"values": values.reshape(1, rows, together).astype(np.float32)}
    stored |= {"grouped": axes(-1, groups, together), "one": axes(1)}
    stored |= {"digits": (levels ** np.arange(together)[::-1]).astype(np.float32)}
    return nodes, stored | {"starts": (rows * np.arange(groups)).astype(np.float32)}


@way
def tables_of_one_input() -> Graph:
    return looked_up(1)


@way
def tables_of_two_inputs() -> Graph:
    return looked_up(2)


@way
def tables_that_pass_a_choice() -> Graph:
    """The table of two inputs, chosen for all of its numbers at once by one input."""
    nodes, stored = looked_up(2)
    nodes[8:9] = [
        node("Slice", "x first second", "x0"),
        node("Greater", "x0 below", "yes"),
        node("Expand", "yes size", "all"),
        node("Where", "all table table", "chosen"),
        node("Gather", "chosen i", "p"),
    ]
    stored |= {"first": axes(0, 0), "second": axes(1, 1), "below": np.float32(-1)}
    return nodes, stored | {"size": stored["rows"]}


@way
def one_hot_inputs() -> Graph:
    table = (np.arange(LEVELS + 1)[None, :, None] * W[:, None, :]).reshape(-1, N)
    nodes = [
        node("Cast", "x", "i", to=7),
        node("OneHot", "i depth values", "h"),
        node("Reshape", "h flat", "r"),
        node("Cast", "w", "f", to=1),
        node("MatMul", "r f", "y"),
    ]
    stored = {"depth": np.array(LEVELS + 1), "values": np.array([0, 1], np.float32)}
    return nodes, stored | {"flat": axes(-1, K * (LEVELS + 1)), "w": table.astype(np.int8)}


@way
def scattered_sums() -> Graph:
    """Products, added at the places of their sums."""
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Mul", "u w", "p"),
        node("Reshape", "p flat", "f"),
        node("ScatterElements", "zeros places f", "y", axis=0, reduction="add"),
    ]
    stored = {"w": FLOAT, "a": axes(2), "flat": axes(K * N), "zeros": np.zeros(N, np.float32)}
    return nodes, stored | {"places": np.tile(np.arange(N), K)}


@way
def interpolation() -> Graph:
    """x w is the point x / LEVELS of the way from 0 to LEVELS w."""
    ends = np.stack([np.zeros_like(FLOAT), LEVELS * FLOAT], -1).reshape(1, K * N, 1, 2)
    nodes = [
        node("Unsqueeze", "x a", "u"),
        node("Expand", "u size", "e"),
        node("Reshape", "e flat", "f"),
        node("Mul", "f scale", "s"),
        node("Add", "s minus", "across"),
        node("Pad", "across pads", "grid"),
        node("Reshape", "ends images", "i"),
        node("GridSample", "i grid", "p", align_corners=1),
        node("Reshape", "p back", "q"),
        node("ReduceSum", "q b", "y"),
    ]
    stored = {"a": axes(2), "size": axes(1, K, N), "flat": axes(K * N, 1, 1, 1), "ends": ends}
    stored |= {"scale": np.float32(2 / LEVELS), "minus": np.float32(-1), "b": axes(1)}
    stored |= {"pads": axes(0, 0, 0, 0, 0, 0, 0, 1), "images": axes(K * N, 1, 1, 2)}
    return nodes, stored | {"back": axes(1, K, N)}


@way
def wiring() -> Graph:
    """No stored weight: columns are added as often as their weights say."""
    nodes = [helper.make_node("Split", ["x"], [f"x{i}" for i in range(K)], axis=1, num_outputs=K)]

    def total(names: list[str], tag: str) -> str:
        for level in range(9):
            if len(names) == 1:
                return names[0]
            parts = [names[at : at + 16] for at in range(0, len(names), 16)]
            names = [f"{tag}_{level}_{at}" for at in range(len(parts))]
            nodes.extend(node("Sum", " ".join(a), b) for a, b in zip(parts, names, strict=True))
        raise AssertionError(tag)

    for o in range(N):
        sides = [
            total([f"x{i}" for i in range(K) for _ in range(max(sign * W[i, o], 0))], f"{tag}{o}")
            for sign, tag in ((1, "p"), (-1, "m"))
        ]
        nodes.append(node("Sub", " ".join(sides), f"y{o}"))
    nodes.append(node("Concat", " ".join(f"y{o}" for o in range(N)), "y", axis=1))
    return nodes, {}


@way
def constants_by_reference() -> Graph:
    """Six stored numbers, joined to the weights by 1,536 references."""
    name = {w: f"c{w + 3}" for w in (-3, -2, -1, 1, 2, 3)}
    nodes = [
        node("Concat", " ".join(name[w] for w in W.reshape(-1)), "flat", axis=0),
        node("Reshape", "flat shape", "w"),
        node("MatMul", "x w", "y"),
    ]
    return nodes, {n: np.array([w], np.float32) for w, n in name.items()} | {"shape": axes(K, N)}


@way
def weights_in_attributes() -> Graph:
    """Each row of weights is the alphas of a chain of nodes."""
    nodes = [
        node("ConstantOfShape", "one", "ones", value=onnx.numpy_helper.from_array(-np.ones(1, "f")))
    ]
    for at, w in enumerate(W.reshape(-1)):
        nodes.append(node("LeakyRelu", "ones", f"w{at}", alpha=-float(w)))
    nodes += [
        node("Concat", " ".join(f"w{at}" for at in range(K * N)), "flat", axis=0),
        node("Reshape", "flat shape", "w"),
        node("MatMul", "x w", "y"),
    ]
    return nodes, {"one": axes(1), "shape": axes(K, N)}


@way
def weights_in_permutations() -> Graph:
    """Stored in order, brought into place by pieces that are cut and joined."""
    order = np.argsort(W.reshape(-1), kind="stable")
    place = np.argsort(order)
    nodes = [
        node("Cast", "sorted", "f", to=1),
        helper.make_node(
            "Split", ["f"], [f"s{i}" for i in range(K * N)], axis=0, num_outputs=K * N
        ),
        node("Concat", " ".join(f"s{i}" for i in place), "flat", axis=0),
        node("Reshape", "flat shape", "w"),
        node("MatMul", "x w", "y"),
    ]
    return nodes, {"sorted": W.reshape(-1)[order].astype(np.int8), "shape": axes(K, N)}


@pytest.mark.parametrize("name", sorted(WAYS))
def test_no_way_to_build_a_product_is_cheaper_than_matmul(name: str) -> None:
    result, report = ask(WAYS[name]())
    expected = (X @ FLOAT).reshape(N)
    np.testing.assert_allclose(result, expected, atol=ROUNDED.get(name, 1e-2))
    assert report.macs >= LEAST_MACS
    assert report.bytes >= LEAST_BYTES


def test_there_are_at_least_a_dozen_ways() -> None:
    assert len(WAYS) >= 12
