"""From a PyTorch module to an ONNX file whose operators and weights keep their names.

The graphs are written by hand, operator by operator: an exporter would fill them with arithmetic
on shapes that costs time at every post, and name the weights by number.
"""

from __future__ import annotations

import model  # SOLUTION
import numpy as np
from model import CLASSES, Attention, Convolutional, TeacherConfig, Transformer
from onnx import ModelProto, TensorProto
from torch import Tensor, nn

from grader.starter import Graph


def export(module: nn.Module) -> ModelProto:
    """The module in evaluation mode as a float32 ONNX model."""
    # BEGIN SOLUTION
    if isinstance(module, model.Ngrams):
        return _ngrams(module)
    # END SOLUTION
    return _transformer(module) if isinstance(module, Transformer) else _convolutional(module)


def _convolutional(module: Convolutional) -> ModelProto:
    """input_ids alone: the padding's zeros change nothing, so no mask is asked for."""
    graph, kernel = Graph(), module.config.kernel
    windows = _side_by_side(graph, module.embedding.weight, kernel, margin=kernel - 1)
    features = graph.dense(windows, module.convolution, "convolution")
    axis = graph.weight([1], "tokens.axis")
    best = graph.add("ReduceMax", features, axis, name="best", keepdims=0)
    found = graph.add("Relu", best, name="found")
    graph.dense(found, module.classifier, "classifier")
    return graph.model("input_ids", classes=CLASSES)


# BEGIN SOLUTION
def _ngrams(module: model.Ngrams) -> ModelProto:
    """The hash of every n-gram is a convolution over the numbers of its letters."""
    graph, longest = Graph(), module.config.longest
    margins = graph.weight([0, 0, 0, longest - 1], "margins")
    padded = graph.add("Pad", "input_ids", margins, name="padded")  # with 0, which is PAD
    floats = graph.add("Cast", padded, name="letters", to=TensorProto.FLOAT)
    wide = graph.add("Unsqueeze", floats, graph.weight([1], "axis"), name="letters.wide")
    kernels = graph.weight(module.hashing.unsqueeze(1).float(), "hashing")
    sums = graph.add("Conv", wide, kernels, name="sums")
    whole = graph.add("Cast", sums, name="sums.whole", to=TensorProto.INT64)
    count = graph.weight(np.int64(module.config.rows), "rows")
    numbers = graph.add("Mod", whole, count, name="numbers")
    table = graph.weight(module.embedding.weight, "embedding.weight")
    rows = graph.add("Gather", table, numbers, name="embedding")
    bag = graph.add("ReduceSum", rows, graph.weight([1, 2], "axes"), name="bag", keepdims=0)
    normed = graph.norm(bag, module.norm, "norm")
    features = graph.add("Relu", graph.dense(normed, module.hidden, "hidden"), name="features")
    graph.dense(features, module.classifier, "classifier")
    return graph.model("input_ids", classes=CLASSES)


# END SOLUTION
def _transformer(module: Transformer) -> ModelProto:
    graph, config = Graph(), module.config
    mask = graph.add("Cast", "attention_mask", name="mask", to=TensorProto.FLOAT)
    hidden = graph.add("Sub", graph.weight(1.0, "one"), mask, name="hidden_tokens")
    penalty = graph.add("Mul", hidden, graph.weight(-1e4, "penalty"), name="masked")
    masked = graph.add("Unsqueeze", penalty, graph.weight([1, 2], "mask.axes"), name="mask.wide")

    windows = _side_by_side(graph, module.embedding.weight, size=3, margin=1)
    heard = graph.dense(windows, module.neighbours, "neighbours")
    tokens = graph.add("Add", "neighbour.1", heard, name="tokens.heard")
    length = graph.add("Shape", "input_ids", name="length", start=1)
    count = graph.add("Squeeze", length, name="length.count")
    first, step = graph.weight(np.int64(0), "first"), graph.weight(np.int64(1), "step")
    numbers = graph.add("Range", first, count, step, name="numbers")
    positions = graph.weight(module.positions, "positions")
    places = graph.add("Gather", positions, numbers, name="places")
    x = graph.add("Add", tokens, places, name="embedded")
    for i, layer in enumerate(module.layers):
        name = f"layers.{i}"
        normed = graph.norm(x, layer.attention_norm, f"{name}.attention_norm")
        attended = _attention(graph, layer.attention, normed, masked, config, f"{name}.attention")
        x = graph.add("Add", x, attended, name=f"{name}.attended")
        normed = graph.norm(x, layer.hidden_norm, f"{name}.hidden_norm")
        hidden = graph.dense(normed, layer.hidden, f"{name}.hidden")
        active = graph.add("Gelu", hidden, name=f"{name}.active")
        x = graph.add("Add", x, graph.dense(active, layer.output, f"{name}.output"), name=name)
    normed = graph.norm(x, module.norm, "norm")
    graph.dense(_mean(graph, normed, mask), module.classifier, "classifier")
    return graph.model("input_ids", "attention_mask", classes=CLASSES)


def _side_by_side(graph: Graph, table: Tensor, size: int, margin: int) -> str:
    """Rows of the embedding `table` of every token and its neighbours; PAD stands in the margin.

    Only moves rows, so that they may as well be bytes: quantize.lookup relies on it.
    """
    margins = graph.weight([0, margin, 0, margin], "margins")
    padded = graph.add("Pad", "input_ids", margins, name="padded")  # with 0, which is PAD
    rows = graph.add("Gather", graph.weight(table, "embedding.weight"), padded, name="embedding")
    axis, end = graph.weight([1], "axis"), np.iinfo(np.int64).max
    neighbours = [
        graph.add(
            "Slice",
            rows,
            graph.weight([i], f"from.{i}"),
            graph.weight([i - size + 1 or end], f"to.{i}"),
            axis,
            name=f"neighbour.{i}",
        )
        for i in range(size)
    ]
    return graph.add("Concat", *neighbours, name="windows", axis=2)


def _attention(
    graph: Graph, attention: Attention, x: str, masked: str, config: TeacherConfig, name: str
) -> str:
    size = config.width // config.heads
    heads = {}
    for part, order in (("query", (0, 2, 1, 3)), ("key", (0, 2, 3, 1)), ("value", (0, 2, 1, 3))):
        projected = graph.dense(x, getattr(attention, part), f"{name}.{part}")
        split = graph.reshape(projected, [0, 0, config.heads, size], f"{name}.{part}.split")
        heads[part] = graph.add("Transpose", split, name=f"{name}.{part}.heads", perm=order)
    products = graph.add("MatMul", heads["query"], heads["key"], name=f"{name}.products")
    scale = graph.weight(size**-0.5, f"{name}.scale")
    scaled = graph.add("Mul", products, scale, name=f"{name}.scaled")
    scores = graph.add("Add", scaled, masked, name=f"{name}.scores")
    shares = graph.add("Softmax", scores, name=f"{name}.shares", axis=3)
    seen = graph.add("MatMul", shares, heads["value"], name=f"{name}.seen")
    together = graph.add("Transpose", seen, name=f"{name}.together", perm=(0, 2, 1, 3))
    joined = graph.reshape(together, [0, 0, config.width], f"{name}.joined")
    return graph.dense(joined, attention.output, f"{name}.output")


def _mean(graph: Graph, x: str, mask: str) -> str:
    """The mean over tokens, as a product (batch, 1, length) by (batch, length, width)."""
    axis = graph.weight([1], "mean.axis")
    tokens = graph.add("ReduceSum", mask, axis, name="tokens", keepdims=1)
    share = graph.add("Div", mask, tokens, name="share")
    row = graph.add("Unsqueeze", share, axis, name="share.row")
    mean = graph.add("MatMul", row, x, name="mean.row")
    return graph.add("Squeeze", mean, axis, name="mean")
