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
# BEGIN SOLUTION
ROWS, COLUMNS = 25, 16
# The Fourier transform is the most expensive part of the whole detector, and a matrix of
# 400 x 402 is an expensive way to compute it. 400 = 25 x 16 factors (Cooley and Tukey 1965): with
# n = 16 a + b and k = c + 25 d
#
#     X[c + 25 d] = sum_b  exp(-2 pi i b d / 16)  sum_a  x[16 a + b] exp(-2 pi i (16 a + b) c / 400)
#
# The inner sum is 16 convolutions over rows of 16 samples (a frame is 25 rows, a hop is 10), which
# also carry the window; the outer one is a product with one 16-point transform. Real input gives
# X[400 - k] = conj X[k], so that c = 0 to 12 is enough. 23,712 multiplications instead of 160,800.
# STARTER
# # The Fourier transform is a convolution with windowed cosines and sines, 160,800 multiplications
# # a frame. TODO, later: there are faster ways to the same 201 bins.
# END SOLUTION


class Tables(NamedTuple):
    """Constants of the transform: made by arithmetic, so that no file has to store them."""

    # BEGIN SOLUTION
    first: Tensor
    """(16 * 26, 1, 25): for each b the cosines and sines of the inner sum, windowed."""
    second: Tensor
    """(32, 32): the 16-point transform of real and imaginary parts."""
    bank: Tensor
    """(13 * 16, 40): the mel filters, in the order in which the bins come out."""
    # STARTER
    # waves: Tensor
    # """(402, 1, 400): windowed cosines, then sines."""
    # bank: Tensor
    # """(201, 40): the mel filters."""
    # END SOLUTION


# TorchScript knows no global numbers: functions take them as defaults.


def tables(
    zero: Tensor,
    n_fft: int = N_FFT,
    rows: int = ROWS,  # SOLUTION
    columns: int = COLUMNS,  # SOLUTION
) -> Tables:
    """The constants, computed from `zero`, which is 0 with shape (1,).

    TorchScript runs this in `reset`. In ONNX it becomes operators that run once, when the model
    is loaded: the exporter keeps operators that depend on an input, and makes `zero` a
    constant afterwards.
    """
    # BEGIN SOLUTION
    a = torch.arange(rows) + zero
    b = torch.arange(columns) + zero
    c = torch.arange(rows // 2 + 1) + zero
    n = columns * a + b.unsqueeze(1)  # (16, 25)
    window = 0.5 - 0.5 * torch.cos(n * (2.0 * math.pi / n_fft))
    # Angles are taken modulo a turn while they are whole numbers: float32 is exact there.
    angle = torch.remainder(n.unsqueeze(1) * c.unsqueeze(1), n_fft) * (2.0 * math.pi / n_fft)
    inner = torch.cat([torch.cos(angle), -torch.sin(angle)], 1)  # (16, 26, 25)
    first = (inner * window.unsqueeze(1)).reshape(-1, 1, rows)
    turn = torch.remainder(b.unsqueeze(1) * b, columns) * (2.0 * math.pi / columns)
    cosine, sine = torch.cos(turn), torch.sin(turn)
    second = torch.cat([torch.cat([cosine, -sine], 1), torch.cat([sine, cosine], 1)], 0)
    bins = (c.unsqueeze(1) + rows * b).reshape(-1)
    # c = 0 has its mirror images in its own row: those would count twice.
    once = ((c.unsqueeze(1) + 0.0 * b).reshape(-1) > 0.5) | (bins <= n_fft / 2)
    bank = mel_bank(torch.minimum(bins, n_fft - bins), zero) * once.to(torch.float32).unsqueeze(1)
    return Tables(first, second, bank)
    # STARTER
    # n = torch.arange(n_fft) + zero
    # k = torch.arange(n_fft // 2 + 1) + zero
    # window = 0.5 - 0.5 * torch.cos(n * (2.0 * math.pi / n_fft))
    # # Angles are taken modulo a turn while they are whole numbers: float32 is exact there.
    # angle = torch.remainder(k.unsqueeze(1) * n, n_fft) * (2.0 * math.pi / n_fft)
    # waves = torch.cat([torch.cos(angle), torch.sin(angle)], 0) * window
    # return Tables(waves.unsqueeze(1), mel_bank(k, zero))
    # END SOLUTION


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
    # BEGIN SOLUTION
    columns = constants.second.shape[0] // 2
    batch = samples.shape[0]
    rows = samples.reshape(batch, -1, columns).transpose(1, 2)
    inner = F.conv1d(rows, constants.first, stride=hop // columns, groups=columns)
    frames = inner.shape[2]
    half = inner.shape[1] // (2 * columns)
    parts = inner.reshape(batch, columns, 2, half, frames).permute(0, 4, 3, 2, 1)
    outer = torch.matmul(parts.reshape(batch, frames, half, 2 * columns), constants.second)
    squares = outer * outer
    power = squares[..., :columns] + squares[..., columns:]
    mel = torch.matmul(power.reshape(batch, frames, half * columns), constants.bank)
    # STARTER
    # spectrum = F.conv1d(samples.unsqueeze(1), constants.waves, stride=hop)
    # squares = spectrum * spectrum
    # bins = constants.bank.shape[0]
    # power = squares[:, :bins] + squares[:, bins:]
    # mel = torch.matmul(power.transpose(1, 2), constants.bank)
    # END SOLUTION
    return torch.log(torch.clamp(mel, min=floor)).transpose(1, 2)
