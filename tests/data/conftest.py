from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import pytest

from grader.data import Size, SyntheticSettings

REPOSITORY = Path(__file__).parents[2]

SMALL = SyntheticSettings(
    train=Size(30, 90), validation=Size(20, 60), hidden=Size(20, 60), shard=60
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRADER_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def filled_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests that only read what others built as well."""
    return tmp_path_factory.mktemp("filled")


@pytest.fixture
def shared_cache(filled_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADER_CACHE", str(filled_cache))
    return filled_cache


def shared_data(name: str) -> Path:
    """A folder of real data; the test is skipped where it is not there."""
    root = Path(os.environ.get("GRADER_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / name).is_dir():
        pytest.skip(f"real data are not here: {root / name} (set GRADER_SHARED_DATA)")
    return root / name


@pytest.fixture
def fsdd_folder() -> Path:
    return shared_data("fsdd")


@pytest.fixture
def speech_commands_folder() -> Path:
    return shared_data("speech_commands_sample")


def write_wav(
    path: Path, samples: np.ndarray, *, rate: int = 8_000, channels: int = 1, width: int = 2
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A small folder in the layout of fsdd: 3 digits, 6 speakers, tones for voices."""
    folder = tmp_path / "digits"
    for number, speaker in enumerate(("george", "jackson", "lucas", "nicolas", "theo", "yweweler")):
        for digit in (3, 5, 7):
            time = np.arange(3_000 + 500 * digit) / 8_000
            tone = 8_000 * np.sin(2 * np.pi * (150 + 40 * number) * digit * time)
            write_wav(folder / f"{digit}_{speaker}_0.wav", tone.astype("<i2"))
    return folder
