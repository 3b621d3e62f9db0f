"""The log-mel features are the seminar's front end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grader.data.speech.features import BANDS, FRAMES, log_mel, mel_bank


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Loud noise, quiet noise, a sweep, near silence, silence."""
    rng = np.random.default_rng(0)
    time = np.arange(16_000) / 16_000
    waves = np.stack(
        [
            rng.normal(0, 8_000, 16_000),
            rng.normal(0, 20, 16_000),
            20_000 * np.sin(2 * np.pi * 4_000 * time**2),
            rng.integers(-1, 2, 16_000),
            np.zeros(16_000),
        ]
    )
    return np.clip(waves, -32768, 32767).astype(np.int16)


def torch_log_mel(clips: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """The definition in the field, with torch's own transform and filters built one by one."""
    mels = torch.linspace(0, 2595 * np.log10(1 + 8_000 / 700), 42, dtype=torch.float64)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    bins = torch.arange(201, dtype=torch.float64) * 40
    bank = torch.zeros(40, 201, dtype=torch.float64)
    for band in range(40):
        low, centre, high = hertz[band : band + 3]
        for number, frequency in enumerate(bins):
            if low < frequency <= centre:
                bank[band, number] = (frequency - low) / (centre - low)
            elif centre < frequency < high:
                bank[band, number] = (high - frequency) / (high - centre)
    waves = torch.tensor(clips.astype(np.float64) / 32768).to(dtype)
    window = torch.hann_window(400, dtype=dtype)
    power = torch.stft(waves, 400, 160, window=window, return_complex=True).abs() ** 2
    return (bank.to(dtype) @ power).clamp(min=1e-9).log()


def test_agrees_with_torch_stft_and_htk_bands(clips: np.ndarray) -> None:
    difference = np.abs(log_mel(clips) - torch_log_mel(clips, torch.float64).numpy())
    assert difference.max() < 1e-5  # rounding to float32


def test_agrees_with_a_float32_front_end(clips: np.ndarray) -> None:
    ours, theirs = log_mel(clips), torch_log_mel(clips, torch.float32).numpy()
    # Bands 50 dB below the loudest hold nothing but float32's rounding noise for a pure tone.
    loud = ours > ours.max(axis=(1, 2), keepdims=True) - 50 / 10 * np.log(10)
    assert np.abs(ours - theirs)[loud].max() < 1e-4
    assert loud.mean() > 0.5


def test_has_40_bands_and_101_frames(clips: np.ndarray) -> None:
    features = log_mel(clips)
    assert features.shape == (len(clips), BANDS, FRAMES) == (5, 40, 101)
    assert features.dtype == np.float32


def test_silence_is_the_floor() -> None:
    assert np.all(log_mel(np.zeros((1, 16_000), np.int16)) == np.float32(np.log(1e-9)))


def test_every_band_hears_something_and_none_hears_everything() -> None:
    heard = (mel_bank() > 0).sum(axis=1)
    assert heard.min() >= 2
    assert heard.max() < 40


def test_a_clip_has_the_same_features_alone_and_among_others(clips: np.ndarray) -> None:
    many = np.concatenate([clips] * 9)  # more than one chunk, and not a multiple of it
    together = log_mel(many)
    for index in (0, 15, 16, len(many) - 1):
        assert np.array_equal(together[index], log_mel(many[index : index + 1])[0])


@pytest.mark.parametrize(
    "audio", [np.zeros((2, 15_999), np.int16), np.zeros(16_000, np.int16), np.zeros((1, 16_000))]
)
def test_refuses_what_is_no_batch_of_int16_seconds(audio: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected int16"):
        log_mel(audio)
