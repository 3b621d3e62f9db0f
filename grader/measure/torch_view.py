"""Counts of other tools for the same module: thop, the course's file size, torch's flop counter.

These tools count a PyTorch module, so they need the student's own code: `grader check` runs this
file as a process on the student's machine, and nothing here enters a grade.

    python -m grader.measure.torch_view DIR model:build

imports DIR/model.py, calls build(), which returns (module, example_input), and prints the figures
as one JSON line. Whatever the student's code prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from grader.measure.costs.graph import GraphReport
from grader.text import Text

if TYPE_CHECKING:
    import torch


class TorchFigures(msgspec.Struct, frozen=True):
    """Figures of one module; a figure is None where its tool failed on the module."""

    params: int
    """Elements of module.parameters()."""
    state_dict_bytes: int
    """Size of torch.save(module.state_dict()): the course's figure of size."""
    tensors: int
    """Tensors in the state_dict."""
    thop_macs: int | None
    thop_params: int | None
    flop_counter_macs: int | None
    """Half of what torch.utils.flop_counter counts; LSTM layers escape it."""
    recurrent: bool
    """True when the module contains RNN, GRU or LSTM layers."""


def torch_figures(module: torch.nn.Module, example_input: torch.Tensor) -> TorchFigures:
    """Measure a copy of `module` in eval mode on `example_input` (batch 1)."""
    import torch

    module = copy.deepcopy(module).eval()
    state = module.state_dict()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    cells = (torch.nn.RNNBase, torch.nn.RNNCellBase)
    thop_macs, thop_params = _thop(module, example_input)
    return TorchFigures(
        params=sum(parameter.numel() for parameter in module.parameters()),
        state_dict_bytes=buffer.getbuffer().nbytes,
        tensors=len(state),
        thop_macs=thop_macs,
        thop_params=thop_params,
        flop_counter_macs=_flop_counter(module, example_input),
        recurrent=any(isinstance(layer, cells) for layer in module.modules()),
    )


def explain(report: GraphReport, figures: TorchFigures) -> list[Text]:
    """Why the other figures differ from ours, one sentence for each that does."""
    found = [
        _explain_thop(report, figures),
        _explain_flop_counter(report, figures),
        _explain_size(report, figures),
        _explain_params(report, figures),
    ]
    return [text for text in found if text is not None]


def _thop(module: torch.nn.Module, example: torch.Tensor) -> tuple[int | None, int | None]:
    import thop

    try:
        macs, params = thop.profile(copy.deepcopy(module), inputs=(example,), verbose=False)
    except Exception as error:  # thop has no error of its own, and student code runs inside
        print(f"thop: {error}", file=sys.stderr)
        return None, None
    return int(macs), int(params)


def _flop_counter(module: torch.nn.Module, example: torch.Tensor) -> int | None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(example)
    except Exception as error:  # student code runs inside
        print(f"flop counter: {error}", file=sys.stderr)
        return None
    return counter.get_total_flops() // 2


def _explain_thop(report: GraphReport, figures: TorchFigures) -> Text | None:
    theirs = figures.thop_macs
    if theirs is None:
        return Text("thop failed on this module; our MACs come from the ONNX graph.")
    if theirs == report.macs:
        return None
    found = Text("thop: {theirs:,}, ONNX: {ours:,}", theirs=theirs, ours=report.macs)
    if theirs > report.macs and figures.recurrent:
        return Text(
            "{found}: thop also counts biases and gate products of GRU and LSTM layers, which "
            "makes it read 2 to 7% high on them.",
            found=found,
        )
    if theirs > report.macs:
        return Text(
            "{found}: thop counts what the export has removed or merged (batch normalization, "
            "averaging) and activations such as Softmax.",
            found=found,
        )
    return Text(
        "{found}: thop sees only layers that it knows: matrix products in forward(), attention, "
        "modules in plain lists, subclassed layers and elementwise products escape it; the graph "
        "shows them.",
        found=found,
    )


def _explain_flop_counter(report: GraphReport, figures: TorchFigures) -> Text | None:
    theirs, linear = figures.flop_counter_macs, report.macs - report.elementwise_macs
    if theirs is None or theirs == linear:
        return None
    found = Text(
        "FlopCounterMode / 2: {theirs:,}, ONNX: {linear:,} + {elementwise:,}",
        theirs=theirs,
        linear=linear,
        elementwise=report.elementwise_macs,
    )
    if figures.recurrent:
        return Text(
            "{found}: it does not see inside LSTM layers, and counts no elementwise products.",
            found=found,
        )
    return Text(
        "{found}: it counts matrix products and convolutions of the forward pass only.", found=found
    )


def _explain_size(report: GraphReport, figures: TorchFigures) -> Text:
    theirs, weights = figures.state_dict_bytes, 4 * figures.params
    found = Text("torch.save: {theirs:,}, ONNX: {ours:,}", theirs=theirs, ours=report.bytes)
    if report.bytes < 0.9 * weights:
        return Text(
            "{found}: the ONNX file stores weights in fewer bits than float32 (or fewer of "
            "them); the file of torch.save still holds the module as it was.",
            found=found,
        )
    return Text(
        "{found}: torch.save adds {theirs:,} bytes itself (a container, names and alignment of "
        "{tensors} tensors); ours is what the constants of the graph take, shapes and axes "
        "included.",
        found=found,
        theirs=theirs - weights,
        tensors=figures.tensors,
    )


def _explain_params(report: GraphReport, figures: TorchFigures) -> Text | None:
    if report.params == figures.params:
        return None
    found = Text("PyTorch: {theirs:,}, ONNX: {ours:,}", theirs=figures.params, ours=report.params)
    return Text(
        "Parameters differ ({found}): the export merges, drops or adds tensors (batch "
        "normalization, zero biases, scales of quantization), or the file is another model.",
        found=found,
    )


def _load(directory: Path, target: str) -> tuple[Any, Any]:
    """Call `module:function` of the student's folder."""
    module_name, _, function_name = target.partition(":")
    sys.path.insert(0, str(directory.resolve()))
    built = getattr(importlib.import_module(module_name), function_name or "build")()
    if not isinstance(built, tuple) or len(built) != 2:
        raise SystemExit(f"{target}() must return (module, example_input), not {type(built)}")
    return built


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m grader.measure.torch_view DIR module:function", file=sys.stderr)
        return 2
    with contextlib.redirect_stdout(sys.stderr):
        figures = torch_figures(*_load(Path(arguments[0]), arguments[1]))
    print(msgspec.json.encode(figures).decode("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
