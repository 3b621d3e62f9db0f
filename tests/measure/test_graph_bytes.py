"""Bytes of stored constants: initializers, nodes, attributes and functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from graph_models import CRNN, constants, export, model, node, weights
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from grader.measure.costs.graph import GraphLimits, inspect

RELU = node("Relu", "x", "y")
X = {"x": ["n", 4]}


@pytest.mark.parametrize(
    ("dtype", "count", "nbytes"),
    [
        ("float64", 5, 40),
        ("float32", 5, 20),
        ("float16", 5, 10),
        ("bfloat16", 5, 10),
        ("float8e4m3fn", 5, 5),
        ("int64", 5, 40),
        ("int32", 5, 20),
        ("int16", 5, 10),
        ("int8", 5, 5),
        ("uint8", 5, 5),
        ("bool", 5, 5),
        ("int4", 5, 3),
        ("uint4", 6, 3),
        ("float4e2m1", 5, 3),
        ("int2", 5, 2),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_a_tensor_counts_as_stored(dtype: str, count: int, nbytes: int, raw: bool) -> None:
    names = {"float32": "FLOAT", "float64": "DOUBLE"}
    code = TensorProto.DataType.Value(names.get(dtype, dtype.upper()))
    array = np.zeros(count, helper.tensor_dtype_to_np_dtype(code))
    tensor = numpy_helper.from_array(array, "w")
    if not raw:
        tensor = helper.make_tensor("w", code, [count], [0] * count)
    parsed = onnx.load_from_string(model([RELU], X))
    parsed.graph.initializer.append(tensor)
    report = inspect(parsed.SerializeToString())
    assert report.bytes == nbytes
    assert report.params == (0 if dtype in ("int64", "bool") else count)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 5), max_size=4),
            st.sampled_from(["f4", "f2", "f8", "i1", "u1", "i2", "i4", "i8", "?"]),
        ),
        max_size=6,
    )
)
def test_bytes_of_any_initializers_are_their_numpy_sizes(kinds: list) -> None:
    arrays = {f"w{i}": np.zeros(shape, dtype) for i, (shape, dtype) in enumerate(kinds)}
    expected = sum(a.nbytes for a in arrays.values())
    expected += sum(8 * (s > 1) for a in arrays.values() if not a.size for s in a.shape)
    report = inspect(model([RELU], X, arrays))
    assert report.bytes == expected == sum(layer.bytes for layer in report.layers)


def test_a_shared_tensor_counts_once_and_an_unused_one_counts() -> None:
    shared = [node("MatMul", "x w", "h"), node("MatMul", "h w", "y")]
    assert inspect(model(shared, X, {"w": weights(4, 4)})).bytes == 64
    report = inspect(model(shared, X, {"w": weights(4, 4), "unused": weights(100)}))
    assert report.bytes == 464
    assert ("unused", "unused", 400) in {(s.name, s.op, s.bytes) for s in report.layers}


def test_a_stored_input_is_a_constant() -> None:
    raw = model([node("Add", "x w", "y")], X | {"w": [4]}, {"w": weights(4)})
    report = inspect(raw)
    assert report.bytes == 16
    assert [port.name for port in report.inputs] == ["x"]


@pytest.mark.parametrize(
    ("attributes", "nbytes"),
    [
        ({"value": numpy_helper.from_array(np.zeros(4, np.float16))}, 8),
        ({"value_float": 1.0}, 4),
        ({"value_floats": [1.0, 2.0, 3.0, 4.0]}, 16),
        ({"value_int": 1}, 8),
        ({"value_ints": [1, 2, 3, 4]}, 32),
    ],
)
def test_constant_nodes_count_in_every_spelling(attributes: dict, nbytes: int) -> None:
    nodes = [node("Constant", "", "c", **attributes), node("Identity", "x", "y")]
    assert inspect(model(nodes, X)).bytes == nbytes


def test_sparse_tensors_count_values_and_indices() -> None:
    values = numpy_helper.from_array(np.ones(3, np.float32), "w")
    indices = numpy_helper.from_array(np.array([0, 5, 9], np.int64))
    sparse = helper.make_sparse_tensor(values, indices, [4, 4])
    matmul = node("MatMul", "x w", "y")
    report = inspect(model([matmul], X, sparse_initializer=[sparse]))
    assert (report.bytes, report.params, report.macs) == (3 * 4 + 3 * 8, 3, 16)
    constant = helper.make_node("Constant", [], ["w"], sparse_value=sparse)
    assert inspect(model([constant, matmul], X)).bytes == 3 * 4 + 3 * 8


def test_numbers_in_attributes_count_unless_they_are_small_structure() -> None:
    def nbytes(op: str, **attributes: object) -> int:
        return inspect(model([node(op, "x", "y", **attributes)], X)).bytes

    assert nbytes("LeakyRelu", alpha=0.01) == 0  # the default
    assert nbytes("LeakyRelu", alpha=0.3) == 4
    gru = node("GRU", "x w r", "y", hidden_size=2, activations=["Affine", "Affine"])
    gru.attribute.append(helper.make_attribute("activation_alpha", [0.1, 0.2]))
    stored = {"w": weights(1, 6, 4), "r": weights(1, 6, 2)}
    assert inspect(model([gru], {"x": [3, 1, 4]}, stored)).bytes == 4 * 36 + 8


def test_a_long_list_of_integers_is_no_structure() -> None:
    conv = node("MaxPool", "x", "y", kernel_shape=[1])
    conv.attribute.append(helper.make_attribute("pads", [0] * 10_000))
    raw = model([conv], {"x": ["n", 1, 5]})
    with pytest.raises(Exception, match="MaxPool"):
        inspect(raw)
    transpose = node("Transpose", "x", "y", perm=list(range(16)))
    assert inspect(model([transpose], {"x": [1] * 16})).bytes == 0


def test_dimensions_of_empty_tensors_are_not_free_numbers() -> None:
    nodes = [node("Shape", "w", "s"), node("Identity", "x", "y")]
    assert inspect(model(nodes, X, {"w": np.zeros((0, 1234, 77), np.int8)})).bytes == 16
    assert inspect(model(nodes, X, {"w": np.zeros(0, np.float32)})).bytes == 0


def test_joining_a_few_constants_in_many_ways_is_stored_information() -> None:
    bits = np.random.default_rng(0).integers(0, 2, 4096)
    concat = helper.make_node("Concat", ["zero" if b else "one" for b in bits], ["w"], axis=0)
    nodes = [concat, node("Mul", "x w", "y")]
    small = {"zero": np.zeros(1, np.float32), "one": np.ones(1, np.float32)}
    report = inspect(model(nodes, {"x": ["n", 4096]}, small))
    assert len(bits) / 8 <= report.bytes < 1.1 * len(bits) / 8


@pytest.mark.parametrize("place", ["distillation", "streaming_kws", "quantization", "profiling"])
def test_the_references_pay_for_no_structure(place: str, repository: Path) -> None:
    limits = GraphLimits(sizes={"samples": 1600}, length=32, batches=(1,))
    for path in (repository / "reference_solutions" / place).rglob("*.onnx"):
        report = inspect(path.read_bytes(), limits)
        assert "structure" not in {layer.name for layer in report.layers}, path


def test_constants_inside_functions_count_once_however_often_they_are_called() -> None:
    function = helper.make_function(
        "mine",
        "layer",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(weights(4, 4))),
            helper.make_node("MatMul", ["a", "w"], ["b"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    calls = [
        helper.make_node("layer", ["x"], ["h"], domain="mine"),
        helper.make_node("layer", ["h"], ["y"], domain="mine"),
    ]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    report = inspect(model(calls, X, functions=[function], opset_imports=imports))
    assert (report.bytes, report.macs) == (64, 32)
    assert sum(layer.bytes for layer in report.layers) == 64


def test_weights_behind_dequantization_belong_to_the_layer_that_uses_them() -> None:
    nodes = [
        node("DequantizeLinear", "q s", "f"),
        node("Transpose", "f", "w", perm=[1, 0]),
        node("MatMul", "x w", "y"),
    ]
    stored = {"q": np.zeros((3, 4), np.int8), "s": np.float32(0.1)}
    report = inspect(model(nodes, X, stored))
    assert [(s.op, s.macs, s.bytes, s.params) for s in report.layers] == [("MatMul", 12, 16, 12)]


class Features(CalibrationDataReader):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.batches = iter([{"features": rng.standard_normal((2, 1, 9, 9), dtype=np.float32)}])

    def get_next(self) -> dict | None:
        return next(self.batches, None)


def small_network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(294, 5)
    )


def test_static_quantization_by_onnx_runtime_is_read(tmp_path: Path) -> None:
    plain = export(small_network(), torch.zeros(1, 1, 9, 9))
    source, target = tmp_path / "plain.onnx", tmp_path / "qdq.onnx"
    source.write_bytes(plain)
    quantize_static(
        source, target, Features(), quant_format=QuantFormat.QDQ, weight_type=QuantType.QInt8
    )
    report, before = inspect(target.read_bytes()), inspect(plain)
    assert report.bytes == constants(target.read_bytes())
    assert before.bytes > 3.5 * report.bytes
    assert report.macs == before.macs
    assert report.requantizing > 0  # scales of the activations


def test_dynamic_quantization_by_onnx_runtime_is_read(tmp_path: Path) -> None:
    plain = export(small_network(), torch.zeros(1, 1, 9, 9))
    source, target = tmp_path / "plain.onnx", tmp_path / "dynamic.onnx"
    source.write_bytes(plain)
    quantize_dynamic(source, target, weight_type=QuantType.QUInt8)
    report = inspect(target.read_bytes())
    assert report.bytes == constants(target.read_bytes())
    assert report.macs - report.elementwise_macs == inspect(plain).macs


def test_float16_and_int8_storage_of_the_seminars_network() -> None:
    parsed = onnx.load_from_string(export(CRNN(32), torch.zeros(1, 40, 101)))
    before = inspect(parsed.SerializeToString())
    nodes, small = [], {}
    for tensor in parsed.graph.initializer:
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), tensor.name + "_half"))
        name = tensor.name.removesuffix("_half")
        nodes.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
        small[name] = array.size
    rest = list(parsed.graph.node)
    del parsed.graph.node[:]
    parsed.graph.node.extend(nodes + rest)
    report = inspect(parsed.SerializeToString())
    assert before.bytes - report.bytes == 2 * sum(small.values()) == 2 * 25_387
    assert (report.macs, report.params) == (before.macs, before.params)
