"""The streaming starter and reference: one front end, faithful streams and exports, training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from grader import starter
from grader.data.speech import tracks
from grader.data.speech.features import mel_bank
from grader.measure.streams import stream_model
from tests.lessons.projects import imported
from tests.lessons.streaming_mutants import forget_scripted_classes

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "student_template" / "streaming_kws"
REFERENCE = ROOT / "reference_solutions" / "streaming_kws"
MODULES = ("frontend", "offline", "streaming", "export", "augment", "train")


def project(folder: Path) -> SimpleNamespace:
    """The modules of a project, imported as its own train.py imports them."""
    return imported(folder, [name for name in MODULES if (folder / f"{name}.py").exists()], MODULES)


@pytest.fixture(scope="module", params=[TEMPLATE, REFERENCE], ids=["starter", "reference"])
def either(request: pytest.FixtureRequest) -> SimpleNamespace:
    return project(request.param)


@pytest.fixture(scope="module")
def reference() -> SimpleNamespace:
    return project(REFERENCE)


@pytest.fixture(autouse=True)
def _repeatable():
    forget_scripted_classes()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def untrained(project: SimpleNamespace, **changes: object):
    config = project.offline.CrnnConfig(
        **{"channels": 4, "kernel": (9, 20), "stride": (4, 8), "hidden": 12} | changes
    )
    return project.offline.Crnn(config).eval()


def listened(project, stream, sound: torch.Tensor, sizes: list[int]) -> list[float]:
    """Probabilities after chunks of so many hops."""
    state, constants = stream.initial(), project.frontend.tables(torch.zeros(1))
    answers, start = [], 0
    with torch.no_grad():
        for hops in sizes:
            chunk = sound[:, start : start + 160 * hops]
            probability, state = stream(chunk, state, constants)
            answers.append(probability.item())
            start += 160 * hops
    return answers


def test_the_front_end_is_the_definition(either):
    sound = 0.1 * torch.randn(2, 16_000)
    found = either.frontend.log_mel(sound, either.frontend.tables(torch.zeros(1)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    wide = sound.numpy().astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(wide, 400, axis=1)[:, ::160]
    power = np.abs(np.fft.rfft(frames * window, axis=2)) ** 2
    expected = np.log(np.maximum(np.einsum("cfk,bk->cbf", power, mel_bank()), 1e-9))
    assert found.shape == (2, 40, 98)
    assert np.abs(found.numpy() - expected).max() < 1e-4


def test_one_second_of_the_stream_is_the_offline_answer(either):
    crnn = untrained(either)
    sound = 0.1 * torch.randn(1, 16_000)
    constants = either.frontend.tables(torch.zeros(1))
    with torch.no_grad():
        offline = either.offline.Offline(crnn)(sound, constants).item()
    stream = either.streaming.StreamingKws(crnn)
    for sizes in ([100], [1] * 100, [8] * 12 + [4], [3, 50, 7, 40]):
        assert listened(either, stream, sound, sizes)[-1] == pytest.approx(offline, abs=1e-5)


@pytest.mark.parametrize(("window", "step"), [(10, 8), (20, 8), (8, 5), (3, 2), (1, 20)])
def test_any_window_and_step_listen_as_training_does(reference, window, step):
    crnn = untrained(reference, stride=(4, step))
    sound = 0.1 * torch.randn(1, 48_000)
    constants = reference.frontend.tables(torch.zeros(1))
    with torch.no_grad():
        features = reference.frontend.log_mel(sound, constants)
        logits = reference.train.windows(crnn, features, window)[0]
    steps = torch.softmax(logits, 1)[:, 1].numpy()
    stream = reference.streaming.StreamingKws(crnn, window, step)
    sizes = [7] * 42
    answers = listened(reference, stream, sound, sizes)
    for hops, answer in zip(np.cumsum(sizes), answers, strict=True):
        done = (hops - 2 - 20) // step + 1
        expected = steps[done - 1] if done > 0 else 0.0
        assert answer == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_exports_agree_and_keep_the_contract(either, tmp_path, storage):
    crnn = untrained(either)
    if storage == "float16":
        crnn = crnn.half().float()
    if storage == "int8":
        either.export.on_grid(crnn)
    stream = either.streaming.StreamingKws(crnn)
    assert either.export.export_all(crnn, stream, tmp_path, storage) < 1e-4
    model = stream_model.read((tmp_path / "model.onnx").read_bytes(), "onnx", (8,))
    weights = sum(p.numel() for p in crnn.parameters())
    per_weight = {"float32": 4, "float16": 2, "int8": 1}[storage]
    # Tables are made when the model is loaded: what is stored beside weights is small.
    assert weights * per_weight < model.bytes < weights * per_weight + 4_000


def test_int8_storage_is_exact_for_weights_on_its_grid(reference, tmp_path):
    crnn = untrained(reference)
    reference.export.on_grid(crnn)
    stream = reference.streaming.StreamingKws(crnn).eval()
    answers = []
    sound = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype(np.float32)
    for storage in ("float32", "int8"):
        path = tmp_path / f"{storage}.onnx"
        reference.export.export_stream(stream, path, storage)
        answers.append(starter.run_stream(path, sound, [1280]))
    # The weights are the same; the runtime joins operators differently around them.
    assert np.abs(answers[0] - answers[1]).max() < 1e-5


def test_an_export_that_disagrees_is_refused(reference, tmp_path):
    class Short(reference.streaming.StreamingKws):  # type: ignore[name-defined,misc]
        def __init__(self, crnn) -> None:
            super().__init__(crnn)
            self.ghosts = 0

    crnn = untrained(reference)
    with torch.no_grad():  # an untrained network hardly listens
        for weight in crnn.parameters():
            weight.mul_(3.0)
    with pytest.raises(starter.Disagreement, match="after one second"):
        reference.export.export_all(crnn, Short(crnn), tmp_path)


def test_gluing_features_is_gluing_sound(reference):
    sound = 0.1 * torch.randn(3, 16_000)
    constants = reference.frontend.tables(torch.zeros(1))
    whole = reference.frontend.log_mel(sound.reshape(1, -1), constants)
    parts = reference.frontend.log_mel(sound, constants)
    glued = reference.train.glue(parts.unsqueeze(0))
    assert glued.shape == whole.shape
    inside = torch.ones(298, dtype=torch.bool)
    for seam in (98, 99, 198, 199):
        inside[seam] = False
    assert (glued - whole)[:, :, inside].abs().max() < 1e-3
    assert (glued - whole)[:, :, ~inside].abs().mean() < 1.5  # seams are an approximation


def test_nothing_is_asked_while_the_word_is_said(reference):
    train = reference.train
    batch = train.Batch(
        features=torch.zeros(1, 40, 298),
        labels=torch.tensor([[0, 1, 0]]),
        spans=torch.tensor([[[10, 60], [20, 60], [10, 60]]]),
    )
    target = train.targets(batch, 35, 20, 8)[0]
    now = 8 * np.arange(35) + 19
    values = dict(zip(now.tolist(), target.tolist(), strict=True))
    assert all(value == 0 for at, value in values.items() if at < 120 or at > 160 + 92)
    assert all(value == -1 for at, value in values.items() if 120 <= at < 162)
    assert all(value == 1 for at, value in values.items() if 162 <= at < 120 + 92)


@pytest.mark.slow
def test_a_few_epochs_learn(either, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_CACHE", str(tmp_path))
    few = tracks.load("speech-synthetic", "train", counts=tracks.SlotCounts(60, 120, 20))
    data = either.train.seconds(few)
    crnn = untrained(either)
    plain = {"varied": False} if hasattr(either, "augment") else {}
    recipe = either.train.Recipe(epochs=12, learning_rate=1e-2, batch=8, **plain)
    loss = getattr(either.train, "stream_loss", either.train.clip_loss)
    quality = getattr(either.train, "stream_quality", starter.detector_quality)
    before = quality(crnn, data)
    either.train.fit(crnn, data, data, loss, recipe)
    assert quality(crnn, data) < 0.5 * before
