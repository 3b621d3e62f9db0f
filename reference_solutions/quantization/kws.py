"""The small exercise: the keyword spotter of the distillation lesson in smaller numbers.

    python kws.py       prints bytes and AU-FA-FR of each way of storing it

Nine tenths of its weights are in its GRU. ONNX Runtime has no int8 GRU, so storage shrinks and
time does not; torch's dynamic quantization, which has one, rounds the state at every step anew.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial  # SOLUTION

import numpy as np
import onnx
import quantize  # SOLUTION
import torch
from onnx import ModelProto
from onnxruntime import quantization  # SOLUTION
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
# BEGIN SOLUTION
SILENCE = float(np.log(1e-9))
"""A mel band without energy, as `features` computes it."""
QUIETER = 4.6
"""Subtracted from log-mel energies it makes a clip quieter by 20 dB."""
# END SOLUTION


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
    # BEGIN SOLUTION
    for name, change in suspects(train):
        area = starter.au_fa_fr(logits(change(model), validation.features), validation.labels)
        print(f"{name:34}{'':9}{'':9}{area:11.2e}")
    # END SOLUTION


def variants(train: ClipSet) -> Iterator[tuple[str, Callable[[ModelProto], ModelProto]]]:
    yield "float32", lambda model: model
    yield "float16 weights", float16
    yield "int8 weights, one scale a tensor", lambda model: int8_weights(model, per_channel=False)
    yield "int8 weights, one a channel", lambda model: int8_weights(model, per_channel=True)
    yield (
        "int8 QDQ, recurrent weights int8",
        lambda model: int8_weights(int8_products(model, train.features[:256]), per_channel=True),
    )


# BEGIN SOLUTION
def suspects(train: ClipSet) -> Iterator[tuple[str, Callable[[ModelProto], ModelProto]]]:
    """int8 QDQ done otherwise, mostly wrongly: which of it could cost an order of magnitude?"""
    clips = train.features[:256]
    silence = np.full((16, *clips.shape[1:]), SILENCE, np.float32)
    quiet = np.asarray(clips[:16], np.float32) - QUIETER
    noise = np.random.default_rng(0).normal(size=clips.shape).astype(np.float32)
    symmetric = {"ActivationSymmetric": True, "WeightSymmetric": True}
    ways: dict[str, tuple[np.ndarray, dict[str, object]]] = {
        "7 bits a weight (reduce_range)": (clips, {"reduce_range": True}),
        "one scale a tensor": (clips, {"per_channel": False}),
        "inputs symmetric, -127 to 127": (
            clips,
            {"activation_type": quantization.QuantType.QInt8, "extra_options": symmetric},
        ),
        "calibrated on one clip": (clips[:1], {}),
        "calibrated on quiet clips": (quiet, {}),
        "calibrated on silence": (silence, {}),
        "calibrated on random numbers": (noise, {}),
        "calibrated before the logarithm": (np.exp(np.asarray(clips, np.float32)), {}),
    }
    for name, (shown, options) in ways.items():
        yield name, partial(int8_products, clips=shown, **options)
    yield (
        "inputs standardized first",
        lambda model: int8_products(standardized(model, clips), clips),
    )


# END SOLUTION
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
    # BEGIN SOLUTION
    others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    largest = np.abs(values).max(axis=others, keepdims=axis is not None)
    scale = np.maximum(largest / 127, quantize.SMALLEST_SCALE).astype(np.float32)
    levels = np.rint(values / scale).astype(np.int8)
    return levels, scale.reshape(() if axis is None else -1)
    # STARTER
    # # TODO: as `quantize` of quantize.py, for tensors of any number of axes.
    # raise NotImplementedError("write rounded in kws.py")
    # END SOLUTION


def int8_products(model: ModelProto, clips: np.ndarray, **options: object) -> ModelProto:
    """Convolution and dense layers as QDQ, calibrated on training clips (n, 40, 101)."""
    # BEGIN SOLUTION
    shown = starter.Calibration({"features": np.asarray(clip, np.float32)[None]} for clip in clips)
    settings = {
        "quant_format": quantization.QuantFormat.QDQ,
        "op_types_to_quantize": ["Conv", "MatMul", "Gemm"],
        "per_channel": True,
        "weight_type": quantization.QuantType.QInt8,
        "activation_type": quantization.QuantType.QUInt8,
    }
    with starter.on_disk(model) as (source, target):
        quantization.quantize_static(source, target, shown, **(settings | options))
        return onnx.load(target)
    # STARTER
    # # TODO: quantize_static of onnxruntime.quantization on the file that `starter.on_disk` gives,
    # # with `options` and starter.Calibration of {"features": clip[None]} for each clip. Why is no
    # # GRU among the operators that it can quantize?
    # raise NotImplementedError("write int8_products in kws.py")
    # END SOLUTION


# BEGIN SOLUTION
def standardized(model: ModelProto, clips: np.ndarray) -> ModelProto:
    """The same function, whose convolution sees inputs of mean 0 and deviation 1 over `clips`."""
    model = copy.deepcopy(model)
    shown = np.asarray(clips, np.float32)
    mean, deviation = np.float32(shown.mean()), np.float32(shown.std())
    stored = {weight.name: weight for weight in model.graph.initializer}
    (first,) = (node for node in model.graph.node if node.op_type == "Conv")
    weight, bias = (onnx.numpy_helper.to_array(stored[name]) for name in first.input[1:])
    changed = (weight * deviation, bias + mean * weight.sum(axis=(1, 2, 3)))
    for name, values in zip(first.input[1:], changed, strict=True):
        stored[name].CopyFrom(onnx.numpy_helper.from_array(values, name))
    for name, value in (("mean", mean), ("deviation", deviation)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    place = list(model.graph.node).index(first)
    divide = onnx.helper.make_node("Div", ["centred", "deviation"], ["standard"])
    model.graph.node.insert(place, divide)
    subtract = onnx.helper.make_node("Sub", [first.input[0], "mean"], ["centred"])
    model.graph.node.insert(place, subtract)
    first.input[0] = "standard"
    return model


# END SOLUTION
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
