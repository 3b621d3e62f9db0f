"""Structured pruning: whole hidden units go, with their row and with the column they feed.

What is left is an ordinary, smaller network: it needs no special runtime.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from model import ChatNet
from torch import Tensor, nn


@torch.no_grad()
def prune(network: ChatNet, ratios: Sequence[float]) -> ChatNet:
    """A network without a share `ratios[i]` of the units of hidden layer i, otherwise as it was."""
    layers = list(network.layers)
    kept = [
        strongest(layer.weight, ratio) for layer, ratio in zip(layers[:-1], ratios, strict=True)
    ]
    smaller = ChatNet(network.encoding, [len(units) for units in kept])
    everything = torch.arange(network.encoding.inputs)
    outputs = torch.arange(len(layers[-1].weight))
    for target, source, rows, columns in zip(
        smaller.layers, layers, [*kept, outputs], [everything, *kept], strict=True
    ):
        target.weight.copy_(source.weight[rows][:, columns])
        target.bits = source.bits
        _copy_norm(target.norm, source.norm, rows)
    return smaller


def strongest(weight: Tensor, ratio: float) -> Tensor:
    """Rows to keep, in order: those with the largest L1 norm. At least one stays."""
    keep = max(1, round(len(weight) * (1 - ratio)))
    norms = weight.abs().sum(dim=1)
    return norms.topk(keep).indices.sort().values


def _copy_norm(target: nn.BatchNorm1d, source: nn.BatchNorm1d, rows: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(target, name).copy_(getattr(source, name)[rows])
