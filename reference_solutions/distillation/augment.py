"""Clips that sound a little different every time they are seen.

The voices of the hidden clips are none of the training clips'. A student that has heard each
training clip in a hundred variations knows what does not matter; another one learns it by heart.
"""

from __future__ import annotations

from functools import cache  # SOLUTION

import torch
from torch import Tensor

# BEGIN SOLUTION
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


def add_noise(features: Tensor, generator: torch.Generator) -> Tensor:
    """Add stationary noise of random level and colour to clips (batch, 40, 101)."""
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


# END SOLUTION


def augment(features: Tensor, generator: torch.Generator) -> Tensor:
    """A fresh variation of each log-mel clip (batch, 40, 101); it must not change the labels."""
    # BEGIN SOLUTION
    # The length of the throat stretches the bands, the speed and the start stretch and shift the
    # frames, loudness adds a constant, and the energies of the background are added.
    clips, bands, frames = features.shape
    throat = _pick(stretches(bands, BAND_STRETCHES, BAND_SHIFTS, 0.0), clips, generator)
    tempo = _pick(stretches(frames, FRAME_STRETCHES, FRAME_SHIFTS, frames / 2), clips, generator)
    varied = throat.transpose(1, 2) @ features @ tempo
    noisy = int(clips * NOISY_SHARE)  # batches are drawn at random: any half will do
    varied[:noisy] = add_noise(varied[:noisy], generator)
    return varied + _uniform((clips, 1, 1), (-1.0, 1.0), generator)
    # STARTER
    # # TODO: what may change in a clip without changing the word? In a log-mel a louder voice is
    # # an added constant; a later start a shift along the frames; a longer throat a stretch of
    # # the bands; other noise a `torch.logaddexp`. Draw with `generator`, or runs do not repeat.
    # return features
    # END SOLUTION
