"""Counts of the seminar's network, on which the lessons' baselines are based."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from graph_models import CRNN, constants, export, model, node, weights

from grader.measure.costs.graph import GraphReport, Port, inspect
from grader.measure.costs.operators import COSTS, counts
from grader.measure.costs.refusals import Refused
from grader.measure.costs.view import Cost, View
from grader.text import Text

EXAMPLE = torch.zeros(1, 40, 101)


@pytest.fixture(scope="module")
def baseline() -> bytes:
    return export(CRNN(64), EXAMPLE)


@pytest.mark.parametrize(
    ("hidden", "params", "linear", "elementwise"),
    [(64, 70_443, 913_920, 704), (32, 25_387, 423_520, 352)],
)
def test_both_seminar_networks(hidden: int, params: int, linear: int, elementwise: int) -> None:
    report = inspect(export(CRNN(hidden), EXAMPLE))
    assert report.params == params
    assert report.macs - report.elementwise_macs == linear
    assert report.elementwise_macs == elementwise


def test_both_exporters_give_the_same_macs_and_params(baseline: bytes) -> None:
    traced, dynamo = inspect(baseline), inspect(export(CRNN(64), EXAMPLE, dynamo=True))
    assert (traced.macs, traced.params) == (dynamo.macs, dynamo.params) == (914_624, 70_443)


def test_bytes_are_the_float32_weights_and_the_small_constants(baseline: bytes) -> None:
    report = inspect(baseline)
    assert report.bytes == constants(baseline)
    assert 4 * 70_443 < report.bytes < 4 * 70_443 + 300
    assert report.file_bytes == len(baseline)


def test_a_past_students_network_has_exactly_the_published_ratio() -> None:
    student = CRNN(hidden=20, channels=4, kernel=(9, 20), stride=(4, 10), layers=2)
    report = inspect(export(student, EXAMPLE))
    assert 70_443 / report.params == 10.110951629108655
    assert 914_624 / report.macs == pytest.approx(8.6678, abs=1e-4)


def test_inputs_and_outputs_keep_the_name_of_the_batch(baseline: bytes) -> None:
    report = inspect(baseline)
    assert report.inputs == (Port("features", "float32", ("batch", 40, 101)),)
    assert report.outputs == (Port("logits", "float32", ("batch", 2)),)
    assert report.opset == 18


def test_layers_add_up_to_the_totals_and_name_what_costs(baseline: bytes) -> None:
    report = inspect(baseline)
    assert _sums(report) == (report.macs, report.bytes, report.params)
    by_op = {layer.op: layer for layer in report.layers}
    assert by_op["Conv"].macs == 8 * 18 * 11 * 5 * 20
    assert by_op["Conv"].output_shape == (1, 8, 18, 11)
    assert by_op["Gemm"].bytes == 4 * (2 * 64 + 2)
    assert by_op["Mul"].macs == 704


def test_an_operator_is_added_by_one_row_with_its_handler() -> None:
    pooled = [node("MaxRoiPool", "x regions", "y", pooled_shape=[2, 3])]
    raw = model(pooled, {"x": ["n", 4, 8, 8]}, {"regions": weights(1, 5)})
    with pytest.raises(Refused) as refusal:
        inspect(raw)
    assert refusal.value.code == "uncounted_operator"
    with patch.dict(COSTS):

        @counts("MaxRoiPool", "charged", Text("2 per output"))
        def pooling(view: View) -> Cost:
            """X (N, C, H, W), regions (R, 5) -> (R, C, h, w)."""
            return Cost(0, 2 * view.out.size)

        report = inspect(raw)
    assert (report.macs, report.elementwise_macs) == (2 * 4 * 2 * 3, 2 * 4 * 2 * 3)
    assert [layer.op for layer in report.layers] == ["MaxRoiPool"]


def _sums(report: GraphReport) -> tuple[int, int, int]:
    return (
        sum(layer.macs for layer in report.layers),
        sum(layer.bytes for layer in report.layers),
        sum(layer.params for layer in report.layers),
    )
