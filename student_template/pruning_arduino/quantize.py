"""Weights of few bits during training, with a straight-through gradient.

Each row (output) has a scale of its own: weights are divided by it and rounded to a few whole
numbers, the levels. The forward pass uses the levels; the gradient passes as if there had been no
rounding. What the scale was does not matter afterwards, since the batch norm that follows has one
factor a row anyway: `to_integers` in model.py turns that into the row's multiplier.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = {1: (-1, 1), 2: (-2, 1), 4: (-8, 7)}
"""The least and the largest level, by bits."""


def quantize(weight: Tensor, bits: int) -> Tensor:
    """Levels of a weight matrix (outputs, inputs), whole numbers as floats."""
    if bits == 1:
        return straight_through(weight, torch.where(weight >= 0, 1.0, -1.0))
    low, high = LEVELS[bits]
    scaled = weight / row_scale(weight, bits)
    return straight_through(scaled, scaled.round().clamp(low, high))


# TODO: with the levels -1, 0 and 1, how many weights can be zero before accuracy falls?


def row_scale(weight: Tensor, bits: int) -> Tensor:
    """The step between two levels, (outputs, 1)."""
    typical = weight.detach().abs().mean(dim=1, keepdim=True).clamp_min(1e-6)
    return typical * (1.4 if bits == 2 else 2.5 / LEVELS[bits][1])


def straight_through(smooth: Tensor, levels: Tensor) -> Tensor:
    """`levels` forwards, the gradient of `smooth` backwards."""
    return smooth + (levels - smooth).detach()
