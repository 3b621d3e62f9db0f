"""Background noise, and mixing it with a word at a given signal-to-noise ratio."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from grader.data.speech.clips import CLIP_SAMPLES, SAMPLE_RATE

Noise = Literal["white", "pink", "brown", "hum", "babble"]
NOISES: tuple[Noise, ...] = get_args(Noise)

_SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""Amplitude falls as frequency to the minus this: power as 1, 1/f, 1/f^2."""
_LOWEST_HZ = 20.0
_TALKERS = 4
_HARMONICS = 12

Waves = NDArray[np.float32]


def make(kind: Noise, rng: np.random.Generator, talk: list[Waves]) -> Waves:
    """One second of noise, shape (16000,), at no particular level.

    `talk` are single words, shape (samples,) each, for "babble": several voices at once.
    """
    if kind == "hum":
        return _hum(rng)
    if kind == "babble":
        return _babble(rng, talk)
    return _colored(rng, _SLOPES[kind])


def mix(speech: Waves, start: int, noise: Waves, snr_db: float, level_dbfs: float) -> Waves:
    """Place a word into one second and add noise.

    speech: (samples,) with start + samples <= 16000; noise: (16000,). The RMS of the word becomes
    `level_dbfs` (0 is full scale), and the power of the word over its own duration is `snr_db`
    above the power of the noise over the whole second. Where the sum would clip, all of it is
    attenuated, which keeps the ratio. Out: (16000,) within -1..1.
    """
    level = 10.0 ** (level_dbfs / 20.0)
    clip = noise * np.float32(level * 10.0 ** (-snr_db / 20.0) / _rms(noise))
    clip[start : start + len(speech)] += speech * np.float32(level / _rms(speech))
    peak = float(np.abs(clip).max())
    return clip if peak < 1.0 else clip * np.float32(0.999 / peak)


def _rms(wave: Waves) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) or 1.0


def _colored(rng: np.random.Generator, slope: float) -> Waves:
    frequencies = np.fft.rfftfreq(CLIP_SAMPLES, 1.0 / SAMPLE_RATE)
    spectrum = rng.standard_normal((2, len(frequencies)))
    gain = np.maximum(frequencies, _LOWEST_HZ) ** -slope
    return np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * gain, CLIP_SAMPLES).astype(np.float32)


def _hum(rng: np.random.Generator) -> Waves:
    """Mains hum: 50 or 60 Hz with harmonics that fade, over a little pink noise."""
    mains = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    turn = np.exp(2j * np.pi * mains / SAMPLE_RATE * np.arange(CLIP_SAMPLES))
    harmonic = np.ones_like(turn)
    wave = np.zeros(CLIP_SAMPLES)
    for number in range(1, _HARMONICS + 1):
        harmonic *= turn  # one multiplication is ten times faster than another sine
        gain = rng.uniform(0.3, 1.0) / number
        wave += (harmonic * (gain * np.exp(2j * np.pi * rng.uniform()))).imag
    pink = _colored(rng, _SLOPES["pink"])
    return (wave / wave.std() + 0.1 * pink / _rms(pink)).astype(np.float32)


def _babble(rng: np.random.Generator, talk: list[Waves]) -> Waves:
    wave = np.zeros(CLIP_SAMPLES, np.float32)
    for number in rng.integers(len(talk), size=_TALKERS):
        word = talk[number]
        where = (rng.integers(CLIP_SAMPLES) + np.arange(len(word))) % CLIP_SAMPLES
        wave[where] += word / np.float32(_rms(word))
    return wave
