"""Clips that sound a little different every time they are seen.

The voices of the hidden clips are none of ours. What may change without changing the word:
the length of the throat (bands stretch), the speed and the start (frames stretch and shift),
the loudness (a constant is added) and the background (energies add up: `logaddexp`).
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

BAND_STRETCHES = torch.linspace(0.88, 1.14, 14)
"""Throats differ by about as much between a child and a man (Jaitly and Hinton 2013)."""
BAND_SHIFTS = torch.tensor([-1.0, 0.0, 1.0])
FRAME_STRETCHES = torch.linspace(0.85, 1.18, 9)
FRAME_SHIFTS = torch.linspace(-10, 10, 11)
"""In frames of 10 ms."""

NOISY_SHARE = 0.5
BELOW_PEAK = (6.0, 16.0)
"""The noise's mean level below the loudest band of the clip, in nepers of power."""
TILT = (-4.0, 2.0)
"""From the lowest to the highest band, in the same unit: from brown noise to blue."""


def augment(features: Tensor, spans: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A fresh variation of each second (batch, 40, frames), and where its word is now.

    `spans` (batch, 2) are the first and last frame of the word.
    """
    clips, bands, frames = features.shape
    throat = _pick(stretches(bands, BAND_STRETCHES, BAND_SHIFTS, 0.0), clips, generator)
    stretch = FRAME_STRETCHES[torch.randint(len(FRAME_STRETCHES), (clips,), generator=generator)]
    shift = FRAME_SHIFTS[torch.randint(len(FRAME_SHIFTS), (clips,), generator=generator)]
    centre = frames / 2
    # The word must stay inside: the shift is bounded by what lies before and after it.
    edges = (spans - centre - shift[:, None]) / stretch[:, None] + centre
    outside = (edges[:, 0] < 0) | (edges[:, 1] > frames - 1)
    stretch, shift = stretch.masked_fill(outside, 1.0), shift.masked_fill(outside, 0.0)
    edges = torch.where(outside[:, None], spans.float(), edges)
    tempo = torch.stack(
        [
            stretches(frames, torch.tensor([a]), torch.tensor([b]), centre)[0]
            for a, b in zip(stretch.tolist(), shift.tolist(), strict=True)
        ]
    )
    varied = throat.transpose(1, 2) @ features @ tempo
    noisy = int(clips * NOISY_SHARE)  # batches are drawn at random: any half will do
    varied[:noisy] = add_noise(varied[:noisy], generator)
    louder = _uniform((clips, 1, 1), (-1.0, 1.0), generator)
    return varied + louder, edges.round().long()


def add_noise(features: Tensor, generator: torch.Generator) -> Tensor:
    """Add stationary noise of random level and colour to clips (batch, 40, frames)."""
    clips, bands, _ = features.shape
    level = features.amax((1, 2), keepdim=True) - _uniform((clips, 1, 1), BELOW_PEAK, generator)
    tilt = torch.linspace(0, 1, bands)[:, None] * _uniform((clips, 1, 1), TILT, generator)
    flutter = 0.6 * torch.randn(features.shape, generator=generator)
    return torch.logaddexp(features, level + tilt + flutter)


def stretches(size: int, factors: Tensor, shifts: Tensor, centre: float) -> Tensor:
    """Matrices (factors x shifts, size, size) whose product with an axis resamples it linearly."""
    return _stretches(size, tuple(factors.tolist()), tuple(shifts.tolist()), centre)


@cache
def _stretches(
    size: int, factors: tuple[float, ...], shifts: tuple[float, ...], centre: float
) -> Tensor:
    targets = torch.arange(size)
    matrices = torch.zeros(len(factors) * len(shifts), size, size)
    pairs = [(factor, shift) for factor in factors for shift in shifts]
    for matrix, (factor, shift) in zip(matrices, pairs, strict=True):
        source = ((targets - centre) * factor + centre + shift).clamp(0, size - 1)
        left = source.floor().long().clamp(max=size - 2)
        matrix[left, targets] = 1 - (source - left)
        matrix[left + 1, targets] = source - left
    return matrices


def _pick(bank: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return bank[torch.randint(len(bank), (count,), generator=generator)]


def _uniform(
    shape: tuple[int, ...], bounds: tuple[float, float], generator: torch.Generator
) -> Tensor:
    return torch.empty(shape).uniform_(*bounds, generator=generator)
