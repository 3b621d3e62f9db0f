"""Noise of the stated kind at the stated signal-to-noise ratio, by measurement."""

from __future__ import annotations

import numpy as np
import pytest

from grader.data.speech import noise

TALK = [np.random.default_rng(k).normal(0, 1, 4_000 + 500 * k).astype("f4") for k in range(6)]
SPEECH = (np.sin(np.arange(6_000) / 9) * np.hanning(6_000)).astype("f4")


def power(wave: np.ndarray) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64)))


@pytest.mark.parametrize("kind", noise.NOISES)
@pytest.mark.parametrize("snr_db", [0.0, 5.0, 35.0])
def test_snr_is_the_power_of_the_word_over_that_of_the_noise(
    kind: noise.Noise, snr_db: float
) -> None:
    background = noise.make(kind, np.random.default_rng(1), TALK)
    start = 4_321
    clip = noise.mix(SPEECH, start, background, snr_db, level_dbfs=-20.0)
    outside = np.r_[0:start, start + len(SPEECH) : 16_000]
    scale = clip[outside] @ background[outside] / (background[outside] @ background[outside])
    heard_noise = scale * background
    heard_speech = (clip - heard_noise)[start : start + len(SPEECH)]
    assert 10 * np.log10(power(heard_speech) / power(heard_noise)) == pytest.approx(
        snr_db, abs=0.02
    )
    assert 10 * np.log10(power(heard_speech)) == pytest.approx(-20.0, abs=0.02)


def test_what_would_clip_is_turned_down_and_keeps_its_ratio() -> None:
    background = noise.make("white", np.random.default_rng(1), TALK)
    loud = noise.mix(SPEECH, 0, background, 10.0, level_dbfs=6.0)
    soft = noise.mix(SPEECH, 0, background, 10.0, level_dbfs=-30.0)
    assert np.abs(loud).max() < 1.0
    assert np.allclose(loud / np.abs(loud).max(), soft / np.abs(soft).max(), atol=1e-5)


@pytest.mark.parametrize(("kind", "per_decade"), [("white", 0), ("pink", -10), ("brown", -20)])
def test_coloured_noise_falls_by_its_decibels_a_decade(kind: noise.Noise, per_decade: int) -> None:
    rng = np.random.default_rng(2)
    spectra = [np.abs(np.fft.rfft(noise.make(kind, rng, TALK))) ** 2 for _ in range(40)]
    mean = np.mean(spectra, axis=0)
    low, high = mean[90:110].mean(), mean[900:1_100].mean()  # around 100 Hz and 1 kHz
    assert 10 * np.log10(high / low) == pytest.approx(per_decade, abs=0.6)


def test_hum_is_at_the_mains_frequency() -> None:
    rng = np.random.default_rng(3)
    peaks = {int(np.argmax(np.abs(np.fft.rfft(noise.make("hum", rng, TALK))))) for _ in range(40)}
    assert peaks <= {49, 50, 51, 59, 60, 61, 100, 101, 119, 120, 121, 99}
    assert peaks & {49, 50, 51}
    assert peaks & {59, 60, 61}


def test_every_draw_is_another_noise_and_the_same_draw_the_same() -> None:
    for kind in noise.NOISES:
        first, again, other = (
            noise.make(kind, np.random.default_rng(seed), TALK) for seed in (1, 1, 2)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
