"""The small exercise: the keyword spotter of the distillation lesson in smaller numbers.

    python kws.py       prints bytes and AU-FA-FR of each way of storing it

Nine tenths of its weights are in its GRU. ONNX Runtime has no int8 GRU, so storage shrinks and
time does not; torch's dynamic quantization, which has one, rounds the state at every step anew.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import torch
from onnx import ModelProto
from quantize import float16
from torch import nn

from grader import starter
from grader.data import ClipSet, load
from grader.handout.figures import project
from grader.lesson import loading

DISTILLATION = loading.load("distillation")
BASELINE = DISTILLATION.folder / "baseline" / "speech-synthetic.onnx"
OUTPUTS = {"Conv": 0, "Gemm": 0, "MatMul": 1, "GRU": 1}
"""The axis of an operator's weights that counts its outputs: each gets a scale of its own."""


def main() -> None:
    model = onnx.load(BASELINE)
    train, validation = starter.load(load, "speech-synthetic")
    print(f"{'':34}{'bytes':>9}{'smaller':>9}{'AU-FA-FR':>11}")
    whole = starter.inspect(model.SerializeToString()).bytes
    for name, small in variants(train):
        changed = small(model)
        size = starter.inspect(changed.SerializeToString()).bytes
        area = starter.au_fa_fr(logits(changed, validation.features), validation.labels)
        print(f"{name:34}{size:9,}{whole / size:8.2f}x{area:11.2e}")
    area = starter.au_fa_fr(torch_dynamic(model, validation.features), validation.labels)
    print(f"{'torch dynamic int8, state too':34}{'':9}{'':9}{area:11.2e}")


def variants(train: ClipSet) -> Iterator[tuple[str, Callable[[ModelProto], ModelProto]]]:
    yield "float32", lambda model: model
    yield "float16 weights", float16
    yield "int8 weights, one scale a tensor", lambda model: int8_weights(model, per_channel=False)
    yield "int8 weights, one a channel", lambda model: int8_weights(model, per_channel=True)
    yield (
        "int8 QDQ, recurrent weights int8",
        lambda model: int8_weights(int8_products(model, train.features[:256]), per_channel=True),
    )


def int8_weights(model: ModelProto, *, per_channel: bool) -> ModelProto:
    """Weights as int8 behind a DequantizeLinear; the arithmetic stays float32."""
    model = copy.deepcopy(model)
    weights = starter.weights(model)
    for node in list(model.graph.node):
        for name in node.input[1 : 3 if node.op_type == "GRU" else 2]:
            if node.op_type in OUTPUTS and name in weights:
                axis = OUTPUTS[node.op_type] if per_channel else None
                levels, scale = rounded(weights.pop(name), axis)
                stored = {f"{name}.levels": levels, f"{name}.scale": scale}
                starter.replace_weight(model, name, "DequantizeLinear", stored, axis=axis or 0)
    return model


def rounded(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """int8 numbers and the float32 scale of each index of `axis`; one of shape () for None."""
    # TODO: as `quantize` of quantize.py, for tensors of any number of axes.
    raise NotImplementedError("write rounded in kws.py")


def int8_products(model: ModelProto, clips: np.ndarray, **options: object) -> ModelProto:
    """Convolution and dense layers as QDQ, calibrated on training clips (n, 40, 101)."""
    # TODO: quantize_static of onnxruntime.quantization on the file that `starter.on_disk` gives,
    # with `options` and starter.Calibration of {"features": clip[None]} for each clip. Why is no
    # GRU among the operators that it can quantize?
    raise NotImplementedError("write int8_products in kws.py")


def logits(model: ModelProto, features: np.ndarray) -> np.ndarray:
    """How much more a clip is the keyword than not, (clips,)."""
    answers = starter.run(model.SerializeToString(), {"features": features})
    return answers[:, 1] - answers[:, 0]


@torch.no_grad()
def torch_dynamic(model: ModelProto, features: np.ndarray) -> np.ndarray:
    """The same in torch, with `quantize_dynamic` on its GRU and dense layers.

    Inputs of a layer, and the state of the GRU at every step, are rounded to 255 steps whose size
    the largest of the batch decides.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still what most tutorials show
        small = torch.ao.quantization.quantize_dynamic(
            in_torch(model), {nn.GRU, nn.Linear}, torch.qint8
        )
    parts = torch.from_numpy(np.array(features, np.float32)).split(500)
    answers = torch.cat([small(clips) for clips in parts])
    return (answers[:, 1] - answers[:, 0]).numpy()


def in_torch(model: ModelProto) -> nn.Module:
    """The seminar's network with the weights of its ONNX file."""
    network = project(DISTILLATION.template, "model").model.Crnn()
    network.load_state_dict(starter.state_dict(model))
    return network.eval()


if __name__ == "__main__":
    starter.run_main(main)
