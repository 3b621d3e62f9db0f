"""Small models that read token ids, made node by node, and what they answer by numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5
WIDTH = 8


def table(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32)


HEAD = np.random.default_rng(9).normal(size=(WIDTH, CLASSES)).astype(np.float32)


def averaging(
    vocabulary: int = 50,
    *,
    masked: bool = True,
    places: int = 0,
    seed: int = 0,
    extra: Sequence[onnx.NodeProto] = (),
    constants: dict[str, np.ndarray | onnx.TensorProto] | None = None,
    classes: int = CLASSES,
    opset: int = 21,
) -> bytes:
    """Mean of the ids' embeddings (and of `places` positions, if any), times HEAD. With `extra`
    nodes, the result is `result` and they have to make `logits` of it."""
    result = "result" if extra else "logits"
    node = helper.make_node
    nodes = [node("Gather", ["words", "input_ids"], ["e"])]
    if places:
        nodes += [
            node("Shape", ["input_ids"], ["length"], start=1, end=2),
            node("Squeeze", ["length"], ["count"]),
            node("Range", ["zero", "count", "one"], ["numbers"]),
            node("Gather", ["places", "numbers"], ["p"]),
            node("Add", ["e", "p"], ["x"]),
        ]
    x = "x" if places else "e"
    if masked:
        nodes += [
            node("Cast", ["attention_mask"], ["m"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["m", "last"], ["m3"]),
            node("Mul", [x, "m3"], ["kept"]),
            node("ReduceSum", ["kept", "axis"], ["sum"], keepdims=0),
            node("ReduceSum", ["m3", "axis"], ["tokens"], keepdims=0),
            node("Div", ["sum", "tokens"], ["mean"]),
        ]
    else:
        nodes += [node("ReduceMean", [x, "axis"], ["mean"], keepdims=0)]
    nodes += [node("MatMul", ["mean", "head"], [result]), *extra]
    stored: dict[str, np.ndarray | onnx.TensorProto] = {
        "words": table(vocabulary, seed),
        "places": table(max(places, 1), 7),
        "head": HEAD,
        "axis": np.array([1]),
        "last": np.array([-1]),
        "zero": np.array(0),
        "one": np.array(1),
        **(constants or {}),
    }
    used = {name for each in nodes for name in each.input}
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
            if name in used
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        [
            value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(value, name)
            for name, value in stored.items()
            if name in used
        ],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


def answers(ids: Sequence[np.ndarray], vocabulary: int = 50, seed: int = 0) -> np.ndarray:
    """What `averaging` computes without positions."""
    return np.stack([table(vocabulary, seed)[row].mean(0) @ HEAD for row in ids])


def posts(count: int, vocabulary: int = 50, longest: int = 12, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, vocabulary, rng.integers(1, longest + 1)) for _ in range(count)]
