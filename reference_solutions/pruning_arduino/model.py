"""The network in PyTorch: linear layers without bias, each with a batch norm; ReLU in between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import quantize
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.board import integer_network as integer
from grader.data.text.chat import CLASSES

ENCODING = integer.Encoding(query_buckets=128, context_buckets=128, context_length=8)
"""How the published network sees query and reply: buckets of hashed character groups."""
SIZES = (256, 192, 128)
"""Its hidden units."""
ONES = (1024.0, 512.0, 256.0, 128.0, 64.0)
"""Candidates for the largest integer that stands for an activation of 1.0."""


class Layer(nn.Module):
    """Weights (outputs, inputs) and a batch norm; `bits` None leaves the weights as they are."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-1, 1) * inputs**-0.5)
        self.norm = nn.BatchNorm1d(outputs)
        self.bits: int | None = None
        # BEGIN SOLUTION
        # The share of weights that are not zero, of ternary weights.
        self.density: float | None = None
        # END SOLUTION

    def levels(self) -> Tensor:
        # BEGIN SOLUTION
        if self.density is not None:
            return quantize.ternary(self.weight, self.density)
        # END SOLUTION
        return self.weight if self.bits is None else quantize.quantize(self.weight, self.bits)

    def forward(self, values: Tensor) -> Tensor:
        return self.norm(values @ self.levels().t())


class ChatNet(nn.Module):
    """Counts (batch, inputs) in, logits (batch, 40) out."""

    def __init__(self, encoding: integer.Encoding, hidden: Sequence[int] = SIZES) -> None:
        super().__init__()
        self.encoding = encoding
        sizes = [encoding.inputs, *hidden, CLASSES]
        self.layers = nn.ModuleList(Layer(inputs, outputs) for inputs, outputs in pairwise(sizes))

    def forward(self, counts: Tensor, dropout: float = 0.0) -> Tensor:
        values = counts
        for layer in self.layers[:-1]:
            values = F.dropout(F.relu(layer(values)), dropout, self.training)
        return self.layers[-1](values)


@torch.no_grad()
def to_integers(network: ChatNet, counts: Tensor) -> integer.IntegerNetwork:
    """The integer network that agrees with the quantized network most often on `counts`.

    Large integers lose little to rounding, but sums of them leave 16 bits: so several scales are
    tried.
    """
    network.eval()
    believed = network(counts.float()).argmax(1).numpy()
    models = [_to_integers(network, one) for one in ONES]
    return max(models, key=lambda model: (model.classes_of(counts.numpy()) == believed).mean())


def _to_integers(network: ChatNet, largest: float) -> integer.IntegerNetwork:
    """Batch norms become biases and multipliers.

    With levels q a layer computes f (q x - mean) + shift, f being batch norm's weight by its
    deviation. That is f (q x + offset) with offset = shift / f - mean: the offset is the bias, f
    the multiplier. `one` is the integer that stands for 1.0 on a layer's input; the step between
    two multipliers is chosen so that it stays at most `largest`.
    """
    layers, one = [], float(integer.INPUT_SCALE)
    for layer in network.layers:
        norm = layer.norm
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        offset = norm.bias / factor - norm.running_mean
        step = max(float(factor.max()) / 255, one / (256 * largest))
        layers.append(
            integer.Layer(
                layer.levels().round().to(torch.int8).numpy(),
                _rounded(offset * one, np.int16),
                _rounded(factor / step, np.uint8),
            )
        )
        one /= 256 * step
    return integer.IntegerNetwork(network.encoding, tuple(layers))


def keep_factors_positive(network: ChatNet) -> None:
    """After every step of training: a multiplier has no sign."""
    with torch.no_grad():
        for layer in network.layers:
            layer.norm.weight.clamp_min_(0.02)


def _rounded(values: Tensor, dtype: type) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values.numpy()), limits.min, limits.max).astype(dtype)
