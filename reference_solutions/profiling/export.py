"""Write slow.onnx and faster.onnx exactly as the grader does, and compare what they answer.

python export.py
"""

from __future__ import annotations

from pathlib import Path

import faster
import numpy as np
import slow
import torch
from torch import nn

from grader import starter


def export(module: nn.Module) -> bytes:
    """The module as ONNX, layer by layer as it is written: nothing is folded or merged."""
    model = starter.translate(
        module,
        (torch.zeros(1, slow.BANDS, slow.FRAMES),),
        ["spectrogram"],
        ["answers"],
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    return model.SerializeToString()


def compare(inputs: int = 32) -> None:
    models = {"slow": export(slow.build()), "faster": export(faster.build())}
    for name, model in models.items():
        Path(f"{name}.onnx").write_bytes(model)
        print(f"{name}.onnx: {len(model):,} bytes in the file")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(inputs, slow.BANDS, slow.FRAMES)).astype(np.float32)
    difference, speedup = starter.compare(models["slow"], models["faster"], {"spectrogram": rows})
    print(f"largest difference {difference:.1e} of the largest output (at most 1e-4)")
    print(f"{speedup:.2f} times as fast here")


if __name__ == "__main__":
    compare()
