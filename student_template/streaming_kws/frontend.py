"""From samples to log-mel bands, as a part of the network.

The bands are those of `grader.data.speech.features`: periodic Hann window of 400 samples, hop 160,
power in 40 triangular HTK mel filters, natural logarithm of at least 1e-9. But a stream has no
samples to the right of now, so frames are not centred and edges are not reflected: frame i
covers samples 160 i to 160 i + 399. A second gives 98 frames, not 101.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLE_RATE = 16_000
N_FFT = 400
HOP = 160
BANDS = 40
FLOOR = 1e-9
# The Fourier transform is a convolution with windowed cosines and sines, 160,800 multiplications
# a frame. TODO, later: there are faster ways to the same 201 bins.


class Tables(NamedTuple):
    """Constants of the transform: made by arithmetic, so that no file has to store them."""

    waves: Tensor
    """(402, 1, 400): windowed cosines, then sines."""
    bank: Tensor
    """(201, 40): the mel filters."""


# TorchScript knows no global numbers: functions take them as defaults.


def tables(
    zero: Tensor,
    n_fft: int = N_FFT,
) -> Tables:
    """The constants, computed from `zero`, which is 0 with shape (1,).

    TorchScript runs this in `reset`. In ONNX it becomes operators that run once, when the model
    is loaded: the exporter keeps operators that depend on an input, and makes `zero` a
    constant afterwards.
    """
    n = torch.arange(n_fft) + zero
    k = torch.arange(n_fft // 2 + 1) + zero
    window = 0.5 - 0.5 * torch.cos(n * (2.0 * math.pi / n_fft))
    # Angles are taken modulo a turn while they are whole numbers: float32 is exact there.
    angle = torch.remainder(k.unsqueeze(1) * n, n_fft) * (2.0 * math.pi / n_fft)
    waves = torch.cat([torch.cos(angle), torch.sin(angle)], 0) * window
    return Tables(waves.unsqueeze(1), mel_bank(k, zero))


def mel_bank(
    bins: Tensor, zero: Tensor, bands: int = BANDS, rate: int = SAMPLE_RATE, n_fft: int = N_FFT
) -> Tensor:
    """Triangular HTK filters (bins, 40) at the given numbers of bins."""
    mel = (torch.arange(bands + 2) + zero) * (
        2595.0 * math.log10(1.0 + rate / 2 / 700.0) / (bands + 1)
    )
    edges = 700.0 * (torch.exp(mel * (math.log(10.0) / 2595.0)) - 1.0)
    hertz = bins.unsqueeze(1) * (rate / n_fft)
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return torch.clamp(torch.minimum(rising, falling), min=0.0)


def log_mel(samples: Tensor, constants: Tables, hop: int = HOP, floor: float = FLOOR) -> Tensor:
    """Samples (batch, n), n a multiple of 160, to bands (batch, 40, (n - 400) // 160 + 1)."""
    spectrum = F.conv1d(samples.unsqueeze(1), constants.waves, stride=hop)
    squares = spectrum * spectrum
    bins = constants.bank.shape[0]
    power = squares[:, :bins] + squares[:, bins:]
    mel = torch.matmul(power.transpose(1, 2), constants.bank)
    return torch.log(torch.clamp(mel, min=floor)).transpose(1, 2)
