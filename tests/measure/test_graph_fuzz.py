"""Damaged and hostile files give a report or a refusal, nothing else."""

from __future__ import annotations

import random

import onnx
import pytest
import torch
from graph_models import CRNN, export
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nodes import hostile

from grader.measure.costs.graph import GraphReport, inspect
from grader.text.errors import Rejected

REAL = export(CRNN(2, 1, (9, 20), (4, 10)), torch.zeros(1, 40, 101), opset=13)
many = settings(max_examples=150, deadline=None)


def outcome(raw: bytes) -> GraphReport | None:
    """The report, or None for a refusal; anything else fails the test."""
    try:
        report = inspect(raw)
    except Rejected:
        return None
    assert report.macs == sum(layer.macs for layer in report.layers)
    assert report.bytes == sum(layer.bytes for layer in report.layers)
    assert report.params == sum(layer.params for layer in report.layers)
    assert 0 <= report.elementwise_macs <= report.macs
    return report


def test_the_real_model_is_counted() -> None:
    assert outcome(REAL) is not None


@many
@given(st.integers(0, len(REAL) - 1))
def test_truncated_files(length: int) -> None:
    outcome(REAL[:length])


@many
@given(st.lists(st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 255)), max_size=8))
def test_files_with_changed_bytes(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(REAL)
    for position, value in changes:
        raw[position] = value
    outcome(bytes(raw))


@many
@given(st.binary(max_size=300))
def test_arbitrary_bytes(raw: bytes) -> None:
    outcome(raw)


@many
@given(st.randoms(use_true_random=False))
def test_models_with_changed_fields(rng: random.Random) -> None:
    """Operators, names, attributes and shapes exchanged at random in a well-formed file."""
    parsed = onnx.load_from_string(REAL)
    names = [name for node in parsed.graph.node for name in [*node.input, *node.output]]
    for _ in range(rng.randint(1, 4)):
        node = rng.choice(parsed.graph.node)
        tensor = rng.choice(parsed.graph.initializer)
        change = rng.randrange(6)
        if change == 0 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        elif change == 1 and node.output:
            node.output[0] = rng.choice(names)
        elif change == 2:
            node.op_type = rng.choice(parsed.graph.node).op_type
        elif change == 3 and node.attribute:
            node.attribute[0].i = rng.choice([-1, 0, 1, 99, 2**62])
            del node.attribute[0].ints[:]
        elif change == 4 and tensor.dims:
            tensor.dims[0] = rng.choice([-1, 0, 1, 7, 2**40])
        else:
            tensor.data_type = rng.randrange(30)
    outcome(parsed.SerializeToString())


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_hostile_nodes(seed: int) -> None:
    rng = random.Random(seed)
    reports = [outcome(hostile(rng)) for _ in range(1000 if seed == 0 else 15_000)]
    assert any(reports)
