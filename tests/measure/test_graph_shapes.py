"""Shapes and folded constants are those that ONNX Runtime computes, or the model is refused."""

from __future__ import annotations

import random
import warnings
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from graph_models import CRNN, export, model, node
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    NotImplemented,
    RuntimeException,
)
from random_nodes import OPS, plausible

from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.costs.parsing import flatten, read_model, standard_opset
from grader.measure.costs.walk import walk
from grader.text.errors import Rejected

LIMITS = GraphLimits()
RUNTIME_ERRORS = (Fail, InvalidArgument, InvalidGraph, NotImplemented, RuntimeException)


def walked(raw: bytes, batch: int) -> dict:
    parsed = read_model(raw, LIMITS)
    nodes = flatten(parsed, LIMITS)
    return walk(parsed.graph, nodes, standard_opset(parsed, LIMITS), batch, LIMITS).values


def run(raw: bytes, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs, without graph optimization."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def disagreements(raw: bytes, feeds: dict[str, np.ndarray], batch: int = 1) -> list[str]:
    """Tensors of a model whose shape or folded value differs from what the runtime made."""
    values = walked(raw, batch)
    wrong = []
    for name, array in run(raw, feeds).items():
        if array is None:
            continue
        known = values[name]
        if array.shape != known.shape:
            wrong.append(f"{name}: {array.shape} is taken for {known.shape}")
        if known.data is not None and not np.array_equal(array, known.data):
            wrong.append(f"{name}: {array} is taken for {known.data}")
    return wrong


def with_all_tensors_as_outputs(raw: bytes) -> bytes:
    parsed = onnx.load_from_string(raw)
    del parsed.graph.output[:]
    names = [name for each in parsed.graph.node for name in each.output if name]
    parsed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return parsed.SerializeToString()


def sampled(seed: int, tries: int) -> tuple[Counter, list[str]]:
    """Try random models of every operator; how often each ran, and what disagreed."""
    rng = random.Random(seed)
    ran: Counter = Counter()
    wrong = []
    for _ in range(tries):
        op = rng.choice(OPS)
        made = plausible(rng, op)
        if made is None:
            continue
        try:
            inspect(made[0], GraphLimits(batches=(1,)))
            found = disagreements(*made)
        except (Rejected, *RUNTIME_ERRORS):
            continue
        ran[op] += 1
        wrong += [f"{op} {text}\n{onnx.load_from_string(made[0])}" for text in found]
    return ran, wrong


def test_random_nodes_run_at_the_inferred_shapes() -> None:
    ran, wrong = sampled(seed=0, tries=3000)
    assert not wrong, wrong[0]
    assert len(ran) > 100
    assert sum(ran.values()) > 1000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_random_nodes_run_at_the_inferred_shapes(seed: int) -> None:
    ran, wrong = sampled(seed, tries=20_000)
    assert not wrong, wrong[0]
    assert len(ran) > 140


class Mixed(torch.nn.Module):
    """Operators of many exports: pooling, normalization, attention, shape arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.front = torch.nn.Sequential(
            torch.nn.Conv2d(1, 6, 3, padding=1),
            torch.nn.BatchNorm2d(6),
            torch.nn.SiLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(6, 8, (1, 5), groups=2, stride=(1, 2)),
        )
        self.norm = torch.nn.LayerNorm(8 * 20)
        self.mix = torch.nn.MultiheadAttention(160, 4, batch_first=True)
        self.lstm = torch.nn.LSTM(160, 12, bidirectional=True, batch_first=True)
        self.up = torch.nn.ConvTranspose1d(24, 3, 4, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = self.front(x.unsqueeze(1)).flatten(1, 2).transpose(1, 2)
        frames = self.norm(frames)
        frames = frames + self.mix(frames, frames, frames)[0]
        states = self.lstm(frames)[0]
        return torch.nn.functional.gelu(self.up(states.transpose(1, 2))).mean(-1)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("network", [CRNN, Mixed])
def test_every_tensor_of_an_exported_network(network: type, batch: int) -> None:
    raw = with_all_tensors_as_outputs(export(network(), torch.zeros(1, 40, 101)))
    features = np.zeros((batch, 40, 101), np.float32)
    assert disagreements(raw, {"features": features}, batch) == []


@pytest.mark.slow
def test_every_tensor_of_an_export_by_dynamo() -> None:
    exported = export(CRNN(), torch.zeros(1, 40, 101), dynamo=True)
    raw = with_all_tensors_as_outputs(exported)
    features = np.zeros((3, 40, 101), np.float32)
    assert disagreements(raw, {"features": features}, 3) == []


NUMBERS = st.integers(-7, 7)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(NUMBERS, min_size=3, max_size=3),
    st.lists(NUMBERS, min_size=3, max_size=3),
    st.lists(
        st.sampled_from(["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Equal", "Less", "And"]),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([np.int64, np.int32, np.float32]),
)
def test_shape_arithmetic_is_that_of_the_runtime(
    a: list[int], b: list[int], ops: list[str], dtype: type
) -> None:
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes, left = [], "a"
    for index, op in enumerate(ops):
        options = {"fmod": 1} if op == "Mod" and dtype is np.float32 else {}
        if op == "And":
            nodes.append(node("Cast", left, f"l{index}", to=9))
            nodes.append(node("Cast", "b", f"r{index}", to=9))
            nodes.append(node("And", f"l{index} r{index}", f"p{index}"))
        else:
            nodes.append(node(op, f"{left} b", f"p{index}", **options))
        nodes.append(node("Cast", f"p{index}", f"c{index}", to=code))
        left = f"c{index}"
    nodes.append(node("Identity", "x", "y"))
    divides = any(op in ("Div", "Mod") for op in ops)
    divisors = [value or 1 for value in b] if divides else b
    stored = {"a": np.array(a, dtype), "b": np.array(divisors, dtype)}
    raw = with_all_tensors_as_outputs(model(nodes, {"x": [1]}, stored))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = walked(raw, 1)
    assert disagreements(raw, {"x": np.zeros(1, np.float32)}) == []
    assert values[left].data is not None


def test_newest_opset_and_ir_version_are_those_that_the_runtime_loads() -> None:
    for opset in (LIMITS.opsets[0], LIMITS.opsets[-1]):
        for ir in (LIMITS.ir_versions[0], LIMITS.ir_versions[-1]):
            raw = model([node("Relu", "x", "y")], {"x": [1]}, opset=opset, ir_version=ir)
            assert inspect(raw).opset == opset
            assert run(raw, {"x": np.zeros(1, np.float32)})["y"].shape == (1,)
    newer = model([node("Relu", "x", "y")], {"x": [1]}, opset=LIMITS.opsets[-1] + 1)
    with pytest.raises(RUNTIME_ERRORS):
        run(newer, {"x": np.zeros(1, np.float32)})
