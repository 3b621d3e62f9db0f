"""`grader listen`: detections from a .wav file as they come."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest

from grader.data.speech import tracks

REFERENCE = Path(__file__).resolve().parents[2] / "reference_solutions" / "streaming_kws"


@pytest.fixture
def sound(tmp_path, cache, monkeypatch) -> tuple[Path, np.ndarray]:
    """Eight seconds with two keywords, and where they are in seconds."""
    monkeypatch.setenv("GRADER_CACHE", str(cache))
    slots = tracks.load("speech-synthetic", "train", counts=tracks.SlotCounts(40, 60, 4))
    order = list(np.flatnonzero(slots.labels == 0)[:8])
    loud = [i for i in np.flatnonzero(slots.labels) if np.abs(slots.audio[i]).max() > 6_000]
    order[2], order[5] = loud[0], loud[1]
    path = tmp_path / "sound.wav"
    write(path, slots.audio[order].reshape(-1), 16_000)
    return path, tracks.keyword_spans(slots, order) / 16_000


def write(path: Path, samples: np.ndarray, rate: int, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.mark.parametrize("model", ["model.onnx", "model.ts"])
def test_detections_are_printed_with_their_times(grader, sound, model):
    path, spans = sound
    done = grader("listen", REFERENCE / model, path, "--threshold", "0.5", LANG="C")
    assert done.returncode == 0, done.stderr
    times = [float(at) for at in re.findall(r"([\d.]+) s  detected", done.stdout)]
    for begin, end in spans:
        assert any(begin <= at <= end + 1.0 for at in times), (times, spans)
    assert "Heard 8.0 s" in done.stdout


def test_other_rates_and_two_channels_are_understood(grader, sound, tmp_path):
    path, _ = sound
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    stereo = np.repeat(np.repeat(samples, 3), 2)  # 48 kHz, both channels
    write(tmp_path / "stereo.wav", stereo, 48_000, channels=2)
    done = grader("listen", REFERENCE / "model.onnx", tmp_path / "stereo.wav", LANG="C")
    assert done.returncode == 0, done.stderr
    assert "Heard 8.0 s" in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("sound.wav", b"RIFF no sound", "no .wav file"),
        ("missing.wav", None, "No such file"),
    ],
)
def test_what_is_no_sound_gets_a_sentence(grader, tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = grader("listen", REFERENCE / "model.onnx", tmp_path / name, LANG="C")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_streaming_model_gets_a_sentence(grader, tmp_path, sound):
    path, _ = sound
    (tmp_path / "model.pt").write_bytes(b"")
    assert "streaming model" in grader("listen", tmp_path / "model.pt", path, LANG="C").stderr
    done = grader("listen", REFERENCE / "offline.onnx", path, LANG="C")
    assert done.returncode == 1
    assert "`chunk`" in done.stderr


def test_without_a_microphone_library_it_says_what_to_install(grader, tmp_path):
    pytest.importorskip("numpy")
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        done = grader("listen", REFERENCE / "model.onnx", LANG="C")
        assert done.returncode == 2
        assert "sounddevice" in done.stderr
    else:
        pytest.skip("the library is installed here")
