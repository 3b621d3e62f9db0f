"""Log-mel features, computed once and shared by training, grading and every submission.

The definition is the front end of the seminar: a centered short-time Fourier transform (periodic
Hann window of 400 samples, hop 160, reflected edges), its power in 40 triangular HTK mel
bands from 0 to 8 kHz without normalization, and the natural logarithm of what is at least
1e-9. With torch that is

    power = torch.stft(x, 400, 160, window=torch.hann_window(400), center=True,
                       return_complex=True).abs() ** 2
    features = (mel_bank @ power).clamp(min=1e-9).log()

It is written in numpy, because importing torch takes a second, and in float64, because rounding
to float32 at the end then removes most differences between machines.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.data import cache
from grader.data.speech.clips import CLIP_SAMPLES, SAMPLE_RATE

N_FFT = 400
HOP = 160
BANDS = 40
FRAMES = CLIP_SAMPLES // HOP + 1
FLOOR = 1e-9
_CHUNK = 16
"""Clips at a time: a few MB of frames, which stay in the processor's cache."""


def log_mel(audio: NDArray[np.int16]) -> NDArray[np.float32]:
    """Features of int16 clips.

    In: shape (clips, 16000) at 16 kHz. Out: shape (clips, 40, 101), float32.
    """
    if audio.ndim != 2 or audio.shape[1] != CLIP_SAMPLES or audio.dtype != np.int16:
        raise ValueError(f"expected int16 (clips, {CLIP_SAMPLES}), got {audio.dtype} {audio.shape}")
    out = np.empty((len(audio), BANDS, FRAMES), np.float32)
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT)
    for start in range(0, len(audio), _CHUNK):
        waves = audio[start : start + _CHUNK].astype(np.float64) / 32768.0
        padded = np.pad(waves, ((0, 0), (N_FFT // 2, N_FFT // 2)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=1)[:, ::HOP]
        spectrum = np.fft.rfft(frames * window, axis=2)
        power = spectrum.real**2 + spectrum.imag**2
        out[start : start + _CHUNK] = np.log(np.maximum(_in_bands(power), FLOOR))
    return out


def create(folder: Path, clips: int, *, audio: bool) -> list[NDArray[Any]]:
    """Lay out features.npy, and audio.npy if asked for, mapped for a builder to fill."""
    sound = {"audio": (np.int16, (clips, CLIP_SAMPLES))} if audio else {}
    return cache.create_arrays(folder, features=(np.float32, (clips, BANDS, FRAMES)), **sound)


@lru_cache(maxsize=1)
def mel_bank() -> NDArray[np.float64]:
    """Triangular filters on the HTK mel scale, shape (40, 201).

    HTK book, section 5.6: mel(f) = 2595 log10(1 + f / 700).
    """
    top = 2595.0 * np.log10(1.0 + SAMPLE_RATE / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    bins = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return bank


def _in_bands(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """(clips, frames, 201) to (clips, 40, frames).

    The filters are narrow: band by band is less work than a matrix product, sums in the same
    order on every machine, and starts no threads of a BLAS library.
    """
    clips, frames, _ = power.shape
    mel = np.empty((clips, BANDS, frames))
    for band, weights in enumerate(mel_bank()):
        bins = np.flatnonzero(weights)
        inside = slice(bins[0], bins[-1] + 1)
        np.einsum("cfb,b->cf", power[:, :, inside], weights[inside], out=mel[:, band])
    return mel
