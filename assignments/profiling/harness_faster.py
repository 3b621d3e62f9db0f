"""Builds a student's network and exports it to ONNX. Runs in a sandbox with the student's code; the
file is counted and run in another one without it."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch

BANDS, FRAMES = 40, 96


def answer(order: dict[str, Any], student: Any) -> bytes:
    """The ONNX file of the module that the student's build() returns."""
    warnings.simplefilter("ignore")
    build = student.function("faster", "build")
    module = student.call(build)
    return student.call(export, module)


def export(module: torch.nn.Module) -> bytes:
    """The module as ONNX, layer by layer: nothing is folded or merged."""
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"build() has to return a torch.nn.Module, not {type(module).__name__}")
    buffer = io.BytesIO()
    torch.onnx.export(
        module.eval(),
        (torch.zeros(1, BANDS, FRAMES),),
        buffer,
        input_names=["spectrogram"],
        output_names=["answers"],
        opset_version=17,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    return buffer.getvalue()
