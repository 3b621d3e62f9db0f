"""Counts of other tools beside ours, with the reason for a difference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from graph_models import CRNN, export
from torch import Tensor, nn

from grader.measure.costs.graph import inspect
from grader.measure.torch_view import TorchFigures, explain, torch_figures

EXAMPLE = torch.zeros(1, 40, 101)


@pytest.mark.parametrize(
    ("hidden", "thop", "params"), [(64, 932_224, 70_443), (32, 432_672, 25_387)]
)
def test_figures_of_the_seminars_networks(hidden: int, thop: int, params: int) -> None:
    figures = torch_figures(CRNN(hidden), EXAMPLE)
    assert (figures.thop_macs, figures.thop_params, figures.params) == (thop, params, params)
    overhead = figures.state_dict_bytes - 4 * params - 1_300
    assert 250 * figures.tensors < overhead < 320 * figures.tensors


def test_the_module_itself_is_left_as_it_was() -> None:
    module = CRNN(8).train()
    torch_figures(module, EXAMPLE)
    assert module.training
    assert "total_ops" not in module.state_dict()


def sentences(module: nn.Module, example: Tensor) -> list[str]:
    report = inspect(export(module, example))
    texts = explain(report, torch_figures(module, example))
    assert all(text.to("en") and text.to("ru") for text in texts)
    return [text.to("en") for text in texts]


def test_thop_reads_high_on_gru_and_the_reason_is_given() -> None:
    (gru,) = [text for text in sentences(CRNN(64), EXAMPLE) if "thop" in text]
    assert "932,224" in gru
    assert "914,624" in gru
    assert "gate products" in gru


class Functional(nn.Module):
    """A matrix product that thop cannot see, and an LSTM that torch's counter cannot."""

    def __init__(self, lstm: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(101, 7))
        self.lstm = nn.LSTM(101, 5, batch_first=True) if lstm else None

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0] if self.lstm else x @ self.weight


def test_thop_is_blind_to_functional_products() -> None:
    (blind,) = [text for text in sentences(Functional(lstm=False), EXAMPLE) if "thop" in text]
    assert "sees only layers that it knows" in blind


def test_torchs_counter_is_blind_to_lstm() -> None:
    texts = sentences(Functional(lstm=True), EXAMPLE)
    assert any("does not see inside LSTM" in text for text in texts)


def test_smaller_storage_is_explained() -> None:
    report = inspect(export(CRNN(8), EXAMPLE))
    figures = torch_figures(CRNN(64), EXAMPLE)
    assert any("fewer bits" in text.to("en") for text in explain(report, figures))
    assert any("Parameters differ" in text.to("en") for text in explain(report, figures))


def test_a_module_that_fails_under_a_tool_still_has_the_other_figures() -> None:
    figures = torch_figures(nn.Linear(3, 2), torch.zeros(1, 4))
    assert (figures.thop_macs, figures.flop_counter_macs, figures.params) == (None, None, 8)


def test_the_command_prints_one_json_line(tmp_path: Path) -> None:
    (tmp_path / "student.py").write_text(
        "import torch\n"
        "def build():\n"
        "    print('hello from the student')\n"
        "    return torch.nn.Linear(3, 2), torch.zeros(1, 3)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "grader.measure.torch_view", str(tmp_path), "student:build"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    (line,) = done.stdout.splitlines()
    figures = TorchFigures(**json.loads(line))
    assert (figures.params, figures.thop_macs, figures.flop_counter_macs) == (8, 6, 6)
    assert "hello" in done.stderr
