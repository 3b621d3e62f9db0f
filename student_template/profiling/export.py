"""Write slow.onnx and faster.onnx exactly as the grader does, and compare what they answer.

python export.py
"""

from __future__ import annotations

import io
import time
import warnings
from pathlib import Path

import faster
import numpy as np
import onnxruntime
import slow
import torch
from torch import nn


def export(module: nn.Module) -> bytes:
    """The module as ONNX, layer by layer as it is written: nothing is folded or merged."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(1, slow.BANDS, slow.FRAMES),),
            buffer,
            input_names=["spectrogram"],
            output_names=["answers"],
            opset_version=17,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    return buffer.getvalue()


def compare(inputs: int = 32) -> None:
    sessions = {}
    for name, module in (("slow", slow.build()), ("faster", faster.build())):
        model = export(module)
        Path(f"{name}.onnx").write_bytes(model)
        sessions[name] = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        print(f"{name}.onnx: {len(model):,} bytes in the file")
    rng = np.random.default_rng(0)
    error, scale, seconds = 0.0, 0.0, dict.fromkeys(sessions, 0.0)
    for _ in range(inputs):
        x = rng.normal(size=(1, slow.BANDS, slow.FRAMES)).astype(np.float32)
        answers = {}
        for name, session in sessions.items():
            started = time.perf_counter()
            (answers[name],) = session.run(None, {"spectrogram": x})
            seconds[name] += time.perf_counter() - started
        error = max(error, float(np.abs(answers["slow"] - answers["faster"]).max()))
        scale = max(scale, float(np.abs(answers["slow"]).max()))
    print(f"largest difference {error / scale:.1e} of the largest output (at most 1e-4)")
    print(f"{seconds['slow'] / seconds['faster']:.2f} times as fast here")


if __name__ == "__main__":
    compare()
