"""Storage schemes: ONNX Runtime's quantizers, float16, 4 bits, and unquantized weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import onnx
import pytest
from graph_models import model, node
from onnx import TensorProto, helper, numpy_helper
from text_models import TextModel, dynamic_int8, export, static_int8

from grader.measure.costs.graph import GraphLimits
from grader.measure.quantization import (
    Quantization,
    Weight,
    inspect_quantization,
    require_really_stored,
)
from grader.text.errors import Rejected

LIMITS = GraphLimits(length=16)
WIDTH = 32


@pytest.fixture(scope="module")
def exported() -> bytes:
    return export(TextModel(500, WIDTH, 4, 2, 48))


def seen(raw: bytes) -> Quantization:
    found = inspect_quantization(raw, LIMITS)
    assert sum(found.bytes_by.values()) == found.report.bytes
    return found


def matrices(found: Quantization) -> list[Weight]:
    return [weight for weight in found.weights if weight.component != "embedding"]


def elements(found: Quantization, component: str) -> int:
    return sum(prod(weight.shape) for weight in found.weights if weight.component == component)


# Components ---------------------------------------------------------------------------------


def test_a_float_transformer_by_component(exported: bytes) -> None:
    found = seen(exported)
    assert found.schemes == ("float",)
    assert {w.quantized for w in found.weights if w.component == "embedding"} == {False}
    tables, matrices, biases = (500 + 48) * WIDTH, 2 * 4 * WIDTH * WIDTH, 2 * 4 * WIDTH
    assert elements(found, "embedding") == tables
    assert elements(found, "attention") == matrices
    assert found.bytes_by["embedding"] >= 4 * tables
    assert 0 <= found.bytes_by["attention"] - 4 * (matrices + biases) < 1_000
    assert {w.component for w in found.weights if w.op == "Gather"} == {"embedding"}


@pytest.mark.parametrize("quantize", [dynamic_int8, static_int8])
def test_components_stay_what_they_are_when_quantized(exported: bytes, quantize: object) -> None:
    assert callable(quantize)
    before, after = seen(exported), seen(quantize(exported))
    for name in ("embedding", "attention", "rest"):
        count = sorted(sorted(w.shape) for w in before.weights if w.component == name)
        assert sorted(sorted(w.shape) for w in after.weights if w.component == name) == count


# What quantizers make -----------------------------------------------------------------------


@pytest.mark.parametrize("per_channel", [True, False])
def test_dynamic_quantization(exported: bytes, per_channel: bool) -> None:
    found = seen(dynamic_int8(exported, per_channel=per_channel))
    assert {(w.op, w.dtype, w.scheme) for w in matrices(found)} == {
        ("MatMulInteger", "int8", "dynamic")
    }
    assert {w.granularity for w in matrices(found)} == {"channel" if per_channel else "tensor"}
    assert all(w.symmetric for w in matrices(found))
    tables = [w for w in found.weights if w.component == "embedding"]
    assert all(w.quantized for w in tables)
    assert {(w.scheme, w.granularity, w.symmetric) for w in tables} == {
        ("weight_only", "tensor", False)  # the quantizer stores tables as uint8
    }


def test_products_alone_leave_the_embedding_in_float(exported: bytes) -> None:
    """Most of a small text model is its embedding, so this hardly reduces its size."""
    found = seen(dynamic_int8(exported, ops=("MatMul",)))
    assert {w.quantized for w in found.weights if w.component == "embedding"} == {False}
    assert {w.scheme for w in matrices(found)} == {"dynamic"}
    assert found.schemes[0] == "float"


@pytest.mark.parametrize("per_channel", [True, False])
def test_static_quantization(exported: bytes, per_channel: bool) -> None:
    found = seen(static_int8(exported, per_channel=per_channel))
    heads = [w for w in matrices(found) if w.op == "MatMul"]
    assert len(heads) == 8
    assert {(w.dtype, w.scheme) for w in heads} == {("int8", "static")}
    assert {w.granularity for w in heads} == {"channel" if per_channel else "tensor"}
    require_really_stored("student_ptq", found)


def test_four_bits(exported: bytes) -> None:
    found = seen(static_int8(export(TextModel(500, WIDTH, 4, 2, 48), opset=21), four_bits=True))
    assert {w.bits for w in matrices(found) if w.op == "MatMul"} == {4}
    assert found.bytes_by["attention"] < seen(exported).bytes_by["attention"] / 6


def test_float32_behind_dequantize_linear_is_refused(exported: bytes) -> None:
    found = seen(static_int8(exported, fake=True))
    assert found.schemes[0] == "on_load"
    with pytest.raises(Rejected) as caught:
        require_really_stored("student_ptq", found)
    assert "student_ptq.onnx stores the weight" in caught.value.text.to("en")
    assert "float32" in caught.value.text.to("ru")


# Made by hand -------------------------------------------------------------------------------


def linear(
    nodes: list[onnx.NodeProto],
    stored: Mapping[str, np.ndarray | onnx.TensorProto],
    opset: int = 21,
) -> bytes:
    """Nodes that make `w` (8, 16) float32 of what is stored, and x @ w."""
    tensors = {k: v for k, v in stored.items() if isinstance(v, onnx.TensorProto)}
    arrays = {k: v for k, v in stored.items() if isinstance(v, np.ndarray | np.generic)}
    raw = model([*nodes, node("MatMul", "x w", "y")], {"x": ["b", 8]}, arrays, opset=opset)
    parsed = onnx.load_from_string(raw)
    parsed.graph.initializer.extend(tensors.values())
    return parsed.SerializeToString()


CODES = np.random.default_rng(0).integers(-7, 8, (8, 16)).astype(np.int8)


def four_bit() -> onnx.TensorProto:
    return helper.make_tensor("q", TensorProto.INT4, [8, 16], CODES.ravel().tolist())


CASES: dict[str, tuple[bytes, dict[str, object]]] = {
    "per tensor": (
        linear([node("DequantizeLinear", "q s", "w")], {"q": CODES, "s": np.float32(0.5)}),
        {"dtype": "int8", "granularity": "tensor", "symmetric": True, "scheme": "weight_only"},
    ),
    "per channel, with zero points": (
        linear(
            [node("DequantizeLinear", "q s z", "w", axis=0)],
            {
                "q": CODES,
                "s": np.arange(1, 9, dtype=np.float32),
                "z": np.arange(8, dtype=np.int8),
            },
        ),
        {"granularity": "channel", "symmetric": False, "scheme": "weight_only"},
    ),
    "uint8 with the middle as zero": (
        linear(
            [node("DequantizeLinear", "q s z", "w")],
            {
                "q": (CODES.astype(int) + 128).astype(np.uint8),
                "s": np.float32(0.5),
                "z": np.uint8(128),
            },
        ),
        {"dtype": "uint8", "symmetric": True},
    ),
    "4 bits in blocks of 4 rows": (
        linear(
            [node("DequantizeLinear", "q s", "w", axis=0, block_size=4)],
            {"q": four_bit(), "s": np.stack([np.full(16, 1.0), np.full(16, 2.0)]).astype("f4")},
        ),
        {"dtype": "int4", "bits": 4, "nbytes": 64, "granularity": "block", "symmetric": True},
    ),
    "a cast and a product": (
        linear(
            [node("Cast", "q", "f", to=TensorProto.FLOAT), node("Mul", "f s", "w")],
            {"q": CODES, "s": np.full((1, 16), 0.25, np.float32)},
        ),
        {"dtype": "int8", "granularity": "channel", "scheme": "weight_only"},
    ),
    "float16": (
        linear(
            [node("Cast", "h", "w", to=TensorProto.FLOAT)],
            {"h": (0.5 * CODES).astype(np.float16)},
        ),
        {"dtype": "float16", "bits": 16, "scheme": "float", "scales": None},
    ),
    "integers of 32 bits": (
        linear(
            [node("DequantizeLinear", "q s", "w")],
            {"q": CODES.astype(np.int32), "s": np.float32(0.5)},
        ),
        {"dtype": "int32", "scheme": "on_load"},
    ),
    "floats rounded on load": (
        linear(
            [
                node("Cast", "f", "q", to=TensorProto.INT8),
                node("DequantizeLinear", "q s", "w"),
            ],
            {"f": CODES.astype(np.float32), "s": np.float32(0.5)},
        ),
        {"dtype": "float32", "scheme": "on_load"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_handwritten_storage(name: str) -> None:
    raw, expected = CASES[name]
    (weight,) = seen(raw).weights
    assert {key: getattr(weight, key) for key in expected} == expected


def test_scales_are_no_weights() -> None:
    raw, _ = CASES["4 bits in blocks of 4 rows"]
    found = seen(raw)
    assert len(found.weights) == 1
    assert found.report.bytes == 8 * 16 // 2 + 2 * 16 * 4


def test_nothing_that_the_file_says_can_break_it() -> None:
    """Scales that are missing, and scales whose shape fits nothing."""
    odd = linear(
        [node("Cast", "q", "f", to=TensorProto.FLOAT), node("Sub", "f z", "w")],
        {"q": CODES, "z": np.float32(3)},
    )
    (weight,) = seen(odd).weights
    assert weight.scales is None
    assert weight.symmetric is None
    assert numpy_helper.to_array(onnx.load_from_string(odd).graph.initializer[0]).shape == (8, 16)
