"""What the quantization handout asks of the keyword spotter: which mistake costs an order of
magnitude of AU-FA-FR, and which costs nothing.

The network of the distillation lesson is run step by step, so that each of its products can be
rounded in a way of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from rubert_rows import REFERENCE_MODULES
from torch import Tensor, nn

from grader.data import ClipSet
from grader.measure.quality.detection import au_fa_fr
from grader.text import Text, verbatim

kws = REFERENCE_MODULES.kws

BATCH = 128
"""Clips in a call; a dynamic scale is shared by all of them."""
LOWEST = float(np.log(1e-9))
"""A mel band without energy: what the masks of augmentation leave behind."""
Product = Callable[[Tensor, Tensor], Tensor]
"""(rows, inputs) and (outputs, inputs) to (rows, outputs)."""


@dataclass(frozen=True)
class Suspect:
    """A way of running the network, and the scores (clips,) that it gives."""

    name: Text
    scores: Callable[[], np.ndarray]


def suspects(model: onnx.ModelProto, clips: ClipSet, part: slice) -> list[Suspect]:
    """The float32 network first. `part` are the clips for what is simulated step by step."""
    network = kws.in_torch(model)
    features = torch.from_numpy(np.array(clips.features[part], np.float32))

    def run(product: Product, spoil: Callable[[Tensor], Tensor] = lambda x: x) -> np.ndarray:
        return scores(network, features, product, spoil)

    found = [Suspect(verbatim("float32"), lambda: run(exact))]
    for engine in ("x86", "onednn", "qnnpack"):
        if engine in torch.backends.quantized.supported_engines:
            name = f"torch quantize_dynamic, {engine}"
            found.append(Suspect(verbatim(name), _in_torch(model, features, engine)))
    for bits in (8, 6, 5, 4, 3):
        found.append(
            Suspect(
                Text("inputs and states of {bits} bits, weights int8", bits=bits),
                lambda bits=bits: run(rounded(bits)),
            )
        )
    return [
        *found,
        Suspect(
            Text("8 bits, sums saturate at 16 bits"),
            lambda: run(saturating),
        ),
        Suspect(
            Text("float32, softmax in float16 before ranking"),
            lambda: _half_probabilities(run(exact)),
        ),
        Suspect(
            Text("float32, training's masks left on"),
            lambda: run(exact, masked),
        ),
    ]


def area(scores: np.ndarray, clips: ClipSet, part: slice) -> float:
    return au_fa_fr(scores, clips.labels[part])


# The network, step by step ------------------------------------------------------------------


@torch.no_grad()
def scores(
    network: nn.Module, features: Tensor, product: Product, spoil: Callable[[Tensor], Tensor]
) -> np.ndarray:
    """How much more a clip (40, 101) is the keyword than not, (clips,)."""
    return np.concatenate(
        [_scores(network, spoil(clips), product) for clips in features.split(BATCH)]
    )


def _scores(network: nn.Module, clips: Tensor, product: Product) -> np.ndarray:
    maps = network.conv(clips.unsqueeze(1))
    states = maps.flatten(1, 2).transpose(1, 2)
    for layer in range(2):
        states = _gru(network.gru, layer, states, product)
    hidden = torch.tanh(_dense(network.energy[0], states, product))
    attention = _dense(network.energy[2], hidden, product).softmax(dim=1)
    answers = _dense(network.classifier, (states * attention).sum(dim=1), product)
    return (answers[:, 1] - answers[:, 0]).numpy()


def _gru(gru: nn.GRU, layer: int, inputs: Tensor, product: Product) -> Tensor:
    """(clips, steps, inputs) to (clips, steps, 64), as torch defines it."""
    weights, recurrent, bias, recurrent_bias = (
        getattr(gru, f"{name}_l{layer}")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    state, states = torch.zeros(len(inputs), recurrent.shape[1]), []
    for step in inputs.unbind(dim=1):
        reset, update, new = (product(step, weights) + bias).chunk(3, dim=1)
        own = (product(state, recurrent) + recurrent_bias).chunk(3, dim=1)
        update = torch.sigmoid(update + own[1])
        new = torch.tanh(new + torch.sigmoid(reset + own[0]) * own[2])
        state = (1 - update) * new + update * state
        states.append(state)
    return torch.stack(states, dim=1)


def _dense(layer: nn.Linear, x: Tensor, product: Product) -> Tensor:
    return product(x.flatten(0, -2), layer.weight).unflatten(0, x.shape[:-1]) + layer.bias


# Products -----------------------------------------------------------------------------------


def exact(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight.T


def rounded(bits: int) -> Product:
    """Inputs on 2^bits levels from smallest to largest, weights on 255; a scale each."""

    def product(x: Tensor, weight: Tensor) -> Tensor:
        levels, scale, zero = _unsigned(x, bits)
        ours, step = _signed(weight)
        return (levels - zero) @ ours.T * (scale * step)

    return product


def saturating(x: Tensor, weight: Tensor) -> Tensor:
    """The same with 8 bits on a processor whose instruction adds two products into 16 bits.

    That is AVX2's vpmaddubsw: 2 * 255 * 127 does not fit, and is cut off at 32,767.
    """
    levels, scale, zero = _unsigned(x, 8)
    ours, step = _signed(weight)
    total = torch.zeros(len(x), len(weight))
    for k in range(0, x.shape[1], 2):
        pair = sum(levels[:, i, None] * ours[:, i] for i in range(k, min(k + 2, x.shape[1])))
        total += pair.clamp(-32768, 32767)
    return (total - zero * ours.sum(dim=1)) * (scale * step)


def _unsigned(x: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    """Levels 0 to 2^bits - 1, scale and zero point; 0 stays exact."""
    top = 2**bits - 1
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    scale = ((high - low) / top).clamp(min=1e-8)
    zero = (-low / scale).round()
    return (x / scale + zero).round().clamp(0, top), scale, zero


def _signed(weight: Tensor) -> tuple[Tensor, Tensor]:
    scale = weight.abs().max() / 127
    return (weight / scale).round(), scale


# Mistakes around the network ----------------------------------------------------------------


def masked(clips: Tensor) -> Tensor:
    """Up to 15 bands and 35 frames without energy, the same for a batch: the augmentation of
    training, which an evaluation must not apply."""
    rng = np.random.default_rng(round(float(clips.abs().sum())))
    clips = clips.clone()
    bands, frames = rng.integers(0, 15), rng.integers(0, 35)
    band, frame = rng.integers(0, 40 - bands), rng.integers(0, 101 - frames)
    clips[:, band : band + bands] = LOWEST
    clips[:, :, frame : frame + frames] = LOWEST
    return clips


def _half_probabilities(scores: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-scores.astype(np.float64)))).astype(np.float16).astype(np.float64)


def _in_torch(model: onnx.ModelProto, features: Tensor, engine: str) -> Callable[[], np.ndarray]:
    def scores() -> np.ndarray:
        torch.backends.quantized.engine = engine
        return kws.torch_dynamic(model, features.numpy())

    return scores
