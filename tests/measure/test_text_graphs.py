"""Bytes and MACs of transformers over token ids, as exported and as quantized."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from graph_models import constants, model, node
from onnx import TensorProto, helper
from text_models import TextModel, dynamic_int8, export, static_int8
from torch.utils.flop_counter import FlopCounterMode

from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.costs.refusals import Refused

LENGTH = 32
LIMITS = GraphLimits(length=LENGTH)
VOCABULARY, WIDTH, LAYERS = 500, 32, 2


def text_model() -> TextModel:
    return TextModel(VOCABULARY, WIDTH, 4, LAYERS, 48)


@pytest.fixture(scope="module")
def exported() -> bytes:
    return export(text_model())


def linear(raw: bytes, length: int = LENGTH) -> int:
    """MACs in matrix products."""
    report = inspect(raw, GraphLimits(length=length))
    return report.macs - report.elementwise_macs


def by_hand(length: int) -> int:
    """Projections, scores and mixing, feed-forward, head."""
    per_layer = length * WIDTH * WIDTH * (3 + 1 + 4 + 4) + 2 * length * length * WIDTH
    return LAYERS * per_layer + 5 * WIDTH


@pytest.mark.parametrize("length", [1, 7, 32, 48])
def test_products_of_a_transformer_are_counted_at_the_stated_length(
    exported: bytes, length: int
) -> None:
    assert linear(exported, length) == by_hand(length)


def test_products_are_those_that_torch_counts(exported: bytes) -> None:
    ids = torch.ones(1, LENGTH, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        text_model().eval()(ids, ids)
    assert linear(exported) == counter.get_total_flops() // 2


def test_bytes_are_those_of_the_stored_tensors(exported: bytes) -> None:
    report = inspect(exported, LIMITS)
    assert report.bytes == constants(exported)
    # The exporter stores equal vectors of ones and zeros, as norms begin with, once.
    stored = {p.detach().numpy().tobytes(): p.numel() for p in text_model().parameters()}
    assert report.params == sum(stored.values())
    assert [port.shape for port in report.inputs] == [("batch", "length")] * 2
    assert report.outputs[0].shape == ("batch", 5)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 21])
def test_the_exporter_on_torch_export_gives_the_same(exported: bytes, opset: int) -> None:
    assert linear(export(text_model(), dynamo=True, opset=opset)) == linear(exported)


@pytest.mark.parametrize("opset", [17, 20, 21])
def test_opsets_give_the_same(exported: bytes, opset: int) -> None:
    """With Gelu as one operator from opset 20 on."""
    assert linear(export(text_model(), opset=opset)) == linear(exported)


@pytest.mark.parametrize("per_channel", [True, False])
def test_dynamic_int8_has_the_same_products_and_a_quarter_of_the_bytes(
    exported: bytes, per_channel: bool
) -> None:
    quantized = dynamic_int8(exported, per_channel=per_channel)
    before, after = inspect(exported, LIMITS), inspect(quantized, LIMITS)
    assert linear(quantized) == linear(exported)
    assert after.bytes == constants(quantized)
    assert 3.5 < before.bytes / after.bytes < 4
    assert after.macs == before.macs
    assert after.requantizing > before.requantizing == 0


def test_static_int8_has_the_same_products(exported: bytes) -> None:
    quantized = static_int8(exported)
    assert linear(quantized) == linear(exported)
    assert inspect(quantized, LIMITS).bytes == constants(quantized)


def test_a_length_without_a_size_is_refused(exported: bytes) -> None:
    with pytest.raises(Refused) as caught:
        inspect(exported)
    assert caught.value.code == "dynamic_dimension"


def test_operators_of_the_runtime_itself_are_refused_with_advice(exported: bytes) -> None:
    with pytest.raises(Refused) as caught:
        inspect(static_int8(exported, four_bits=True), LIMITS)
    assert caught.value.code == "runtime_operator"
    assert "opset 21" in caught.value.text.to("en")


def test_four_bits_in_an_old_opset_are_refused_with_advice() -> None:
    packed = helper.make_tensor("w", TensorProto.INT4, [4, 4], [1] * 16)
    nodes = [node("DequantizeLinear", "w s", "f"), node("MatMul", "x f", "y")]
    raw = onnx.load_from_string(model(nodes, {"x": ["b", 4]}, {"s": np.float32(1)}, opset=19))
    raw.graph.initializer.append(packed)
    with pytest.raises(Refused) as caught:
        inspect(raw.SerializeToString())
    assert caught.value.code == "operator_type"
    assert "int4" in caught.value.text.to("en")


def test_every_operator_of_a_handwritten_transformer_is_counted() -> None:
    """One attention head on integer products, with the masks and shapes that exporters write."""
    nodes = [
        node("Gather", "table ids", "x0"),  # (1, 8, 16)
        node("DequantizeLinear", "x0 s", "x"),
        node("LayerNormalization", "x g b", "n", axis=-1),
        node("DynamicQuantizeLinear", "n", "nq ns nz"),
        node("MatMulInteger", "nq w nz", "h"),
        node("Cast", "h", "hf", to=TensorProto.FLOAT),
        node("Mul", "hf ns", "hs"),
        node("Split", "hs", "q k v", axis=-1, num_outputs=3),
        node("Transpose", "k", "kt", perm=[0, 2, 1]),
        node("MatMul", "q kt", "scores"),
        node("Equal", "ids zero", "padded"),
        node("Unsqueeze", "padded one", "columns"),
        node("Shape", "scores", "shape"),
        node("Expand", "columns shape", "blocked"),
        node("Where", "blocked low scores", "masked"),
        node("Softmax", "masked", "a", axis=-1),
        node("MatMul", "a v", "mixed"),
        node("Erf", "mixed", "e"),
        node("Slice", "e from to axis", "first"),
        node("Squeeze", "first axis", "pooled"),
        node("MatMul", "pooled out", "logits"),
    ]
    rng = np.random.default_rng(0)
    stored = {
        "table": rng.integers(-9, 9, (50, 16)).astype(np.int8),
        "s": np.float32(0.1),
        "g": np.ones(16, np.float32),
        "b": np.zeros(16, np.float32),
        "w": rng.integers(-9, 9, (16, 48)).astype(np.int8),
        "zero": np.array(0),
        "one": np.array([1]),
        "low": np.float32(-1e4),
        "from": np.array([0]),
        "to": np.array([1]),
        "axis": np.array([1]),
        "out": rng.standard_normal((16, 5)).astype(np.float32),
    }
    raw = model(nodes, {"ids": ["b", "l"]}, stored, opset=21, dtype=TensorProto.INT64)
    report = inspect(raw, GraphLimits(length=8))
    assert report.macs - report.elementwise_macs == 8 * 16 * 48 + 2 * 8 * 8 * 16 + 16 * 5
    assert report.bytes == sum(array.nbytes for array in stored.values())
