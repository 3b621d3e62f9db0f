"""From one PyTorch class to both artefacts and their offline counterpart.

    model.onnx     chunk, state_... -> probability, state_..._next     state outside
    model.ts       TorchScript with forward(chunk) and reset()         state inside
    offline.onnx   clip -> probability                                 a whole second at once

There is no need to change it. The three files are written and run: both forms must agree with each
other on chunks of every size, and after one second with the offline file.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from frontend import HOP, SAMPLE_RATE, Tables, tables
from offline import Crnn, Offline
from streaming import ScriptStream, State, StreamingKws
from torch import Tensor, nn

from grader import starter

Storage = Literal["float32", "float16", "int8"]
SMALLEST_SCALE = 1e-6


def export_all(
    crnn: Crnn, stream: StreamingKws, folder: Path, storage: Storage = "float32"
) -> float:
    """Write model.onnx, model.ts and offline.onnx; the largest difference between them.

    With float16 or int8 storage the ONNX files round the weights, so round them in the module
    first (`on_grid`, or `crnn.half().float()`). Raises starter.Disagreement when the files differ.
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage is one of {get_args(Storage)}, not {storage!r}")
    paths = [folder / name for name in ("model.onnx", "model.ts", "offline.onnx")]
    export_stream(stream, paths[0], storage)
    starter.save_script(ScriptStream(stream), paths[1])
    example, offline = (torch.zeros(1, SAMPLE_RATE),), _Offline(crnn)
    _export(offline, paths[2], example, ["clip"], ["probability"], storage=storage)
    return starter.stream_agreement(*paths)


def export_stream(stream: StreamingKws, path: Path, storage: Storage = "float32") -> None:
    """Write model.onnx alone."""
    example = (torch.zeros(1, 40 * HOP), stream.eval().initial())
    inputs = ["chunk", *(f"state_{name}" for name in State._fields)]
    outputs = ["probability", *(f"state_{name}_next" for name in State._fields)]
    free = {"chunk": {1: "samples"}}
    _export(_Stream(stream), path, example, inputs, outputs, free, storage=storage)


def _export(*arguments: Any, storage: Storage) -> None:
    store = None if storage == "float32" else partial(stored, storage)
    starter.export(*arguments, store=store, tables=tables, exact=True)


@torch.no_grad()
def on_grid(module: nn.Module) -> None:
    """Round every matrix and kernel to what int8 storage can hold, biases to float16."""
    for weight in module.parameters():
        if weight.dim() < 2:
            weight.copy_(weight.half().float())
            continue
        axes = tuple(range(1, weight.dim()))
        scale = (weight.abs().amax(axes, keepdim=True) / 127).clamp(min=SMALLEST_SCALE)
        scale = scale.half().float()
        weight.copy_((weight / scale).round().clamp(-127, 127) * scale)


def stored(
    storage: Storage, values: np.ndarray, axis: int | None
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """A weight in float16; a matrix or kernel of int8 storage as scale * int8, with one float16
    scale for each output channel, which `axis` counts."""
    if storage == "float16" or axis is None:
        return values.astype(np.float16)
    others = tuple(i for i in range(values.ndim) if i != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = np.maximum(largest / 127, SMALLEST_SCALE).astype(np.float16)
    levels = np.clip(np.rint(values / scale.astype(np.float32)), -127, 127).astype(np.int8)
    return levels, scale.reshape(-1)


class _Stream(nn.Module):
    """State in, state out, as ONNX has it: the tracer hands over plain tuples."""

    def __init__(self, stream: StreamingKws) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, ...]:
        probability, new = self.stream(chunk, State(*state), Tables(*constants))
        return (probability, *new)


class _Offline(nn.Module):
    def __init__(self, crnn: Crnn) -> None:
        super().__init__()
        self.offline = Offline(crnn.eval())

    def forward(self, clip: Tensor, constants: Tables) -> Tensor:
        return self.offline(clip, Tables(*constants))
