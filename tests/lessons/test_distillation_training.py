"""The distillation starter and reference: they train, export faithfully, and shrink."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from grader import starter
from grader.data import Size, SyntheticSettings, load
from grader.measure.costs.graph import inspect
from grader.measure.quality.detection import ratio
from grader.starter import Clips
from tests.lessons.projects import imported

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "student_template" / "distillation"
REFERENCE = ROOT / "reference_solutions" / "distillation"
BASELINES = ROOT / "assignments" / "distillation" / "baseline"
SAMPLES = ROOT / "assignments" / "distillation" / "samples"
MODULES = ("model", "export", "augment", "distill", "train")
STORAGES = ("float32", "float16", "int8")
SETTINGS = SyntheticSettings(
    train=Size(100, 200), validation=Size(40, 80), hidden=Size(1, 1), shard=300
)
"""A few hundred clips, spoken in seconds."""


def project(folder: Path) -> SimpleNamespace:
    """The modules of a project, imported as its own train.py imports them."""
    return imported(folder, MODULES)


@pytest.fixture(scope="module")
def template() -> SimpleNamespace:
    return project(TEMPLATE)


@pytest.fixture(scope="module")
def reference() -> SimpleNamespace:
    return project(REFERENCE)


@pytest.fixture(scope="module", params=[TEMPLATE, REFERENCE], ids=["starter", "reference"])
def either(request: pytest.FixtureRequest) -> SimpleNamespace:
    return project(request.param)


@pytest.fixture(autouse=True)
def _repeatable():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def speech():
    return {
        part: load("speech-synthetic", part, settings=SETTINGS) for part in ("train", "validation")
    }


def test_the_starter_has_the_seminars_network_and_its_published_student(template):
    count = {
        config: sum(p.numel() for p in template.model.Crnn(config).parameters())
        for config in (template.model.BASELINE, template.model.STUDENT)
    }
    baseline, student = count[template.model.BASELINE], count[template.model.STUDENT]
    assert baseline == 70_443
    assert baseline / student == 10.110951629108655


def test_training_lowers_the_loss(template, speech):
    train, validation = map(Clips.of, speech.values())
    model = template.model.Crnn(template.model.STUDENT)
    recipe = template.train.Recipe(epochs=6, learning_rate=3e-3)
    history = template.train.fit(model, train, validation, template.train.hard_loss(model), recipe)
    assert len(history) == 6
    assert history[-1] < 0.7 * history[0]


def test_training_repeats_itself_from_one_seed(either, speech):
    train, validation = map(Clips.of, speech.values())

    def weights() -> list[torch.Tensor]:
        torch.manual_seed(3)
        model = either.model.Crnn(either.model.STUDENT)
        recipe = either.train.Recipe(epochs=1, seed=3)
        either.train.fit(model, train, validation, either.train.hard_loss(model), recipe)
        return list(model.parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(), weights(), strict=True))


def models(code: SimpleNamespace) -> list[torch.nn.Module]:
    networks = [code.model.Crnn(code.model.STUDENT)]
    if hasattr(code.model, "Separable"):
        networks.append(code.model.Separable(code.model.TINY))
    return networks


@pytest.mark.parametrize("storage", STORAGES)
def test_an_export_computes_what_the_module_does(either, speech, tmp_path, storage):
    features = speech["validation"].features
    limits = {"float32": 1e-4, "float16": 0.01, "int8": 0.1}
    for model in models(either):
        path = tmp_path / "model.onnx"
        difference = either.export.export(model, path, storage, features)
        assert difference <= limits[storage] == either.export.TOLERANCE[storage]
        alone = starter.run(path, {"features": features[:5]}, batch_size=1)
        assert alone == pytest.approx(starter.run(path, {"features": features[:5]}), abs=1e-5)


def test_smaller_storage_stores_fewer_bytes(template, tmp_path):
    sizes = {}
    for storage in STORAGES:
        path = tmp_path / f"{storage}.onnx"
        template.export.export(template.model.Crnn(), path, storage)
        sizes[storage] = inspect(path.read_bytes()).bytes
    shapes = sizes["float32"] - 4 * 70_443
    assert 0 < shapes < 100
    assert sizes["float16"] == 2 * 70_443 + shapes
    assert sizes["int8"] < sizes["float32"] / 3.8


def test_an_export_is_plain_onnx(either, tmp_path):
    for model in models(either):
        path = tmp_path / "model.onnx"
        either.export.export(model, path, "int8")
        written = onnx.load(path)
        assert [opset.domain for opset in written.opset_import] == [""]
        assert not written.functions
        assert not written.graph.value_info
        report = inspect(path.read_bytes())
        assert [port.name for port in (*report.inputs, *report.outputs)] == ["features", "logits"]
        assert isinstance(report.inputs[0].shape[0], str)


def test_unknown_storage_is_refused_by_name(template, tmp_path):
    with pytest.raises(ValueError, match="'int7'"):
        template.export.export(template.model.Crnn(), tmp_path / "model.onnx", "int7")


@pytest.mark.parametrize("name", ["soft_loss", "attention_loss", "states_loss"])
def test_the_starter_says_what_is_still_to_be_written(template, name):
    arguments = (torch.zeros(2, 2),) * 2 + ((1.0,) if name == "soft_loss" else ())
    with pytest.raises(NotImplementedError, match=rf"write {name} in distill\.py"):
        getattr(template.distill, name)(*arguments)


def test_a_student_that_equals_its_teacher_has_nothing_to_learn(reference):
    distill = reference.distill
    logits, states = torch.randn(8, 2), torch.randn(8, 11, 5)
    attention = torch.randn(8, 11).softmax(1)
    assert distill.soft_loss(logits, logits, 4.0).item() == pytest.approx(0, abs=1e-5)
    assert distill.attention_loss(attention, attention).item() == pytest.approx(0, abs=1e-5)
    assert distill.states_loss(states, states).item() == 0
    assert distill.soft_loss(-logits, logits, 4.0) > 0
    assert distill.attention_loss(attention.flip(1), attention) > 0


def test_attention_is_compared_across_different_numbers_of_steps(reference):
    flat = reference.distill.attention_loss(torch.full((4, 9), 1 / 9), torch.full((4, 11), 1 / 11))
    assert flat.item() == pytest.approx(0, abs=1e-5)


def test_soft_gradients_do_not_shrink_with_temperature(reference):
    """Hinton et al. 2015: at high temperature the gradient tends to that of matching logits."""

    def gradient(temperature: float) -> float:
        student = torch.tensor([[0.5, -0.5]], requires_grad=True)
        reference.distill.soft_loss(student, torch.tensor([[1.0, -1.0]]), temperature).backward()
        return student.grad.abs().max().item()

    assert gradient(1000.0) == pytest.approx(0.25, rel=0.02)


def test_variations_are_fresh_repeatable_and_keep_the_shape(reference, speech):
    features = torch.from_numpy(np.array(speech["train"].features[:16]))
    before = features.clone()
    generator = torch.Generator().manual_seed(0)
    one, two = (reference.augment.augment(features, generator) for _ in range(2))
    again = reference.augment.augment(features, torch.Generator().manual_seed(0))
    assert one.shape == features.shape
    assert torch.isfinite(one).all()
    assert not torch.equal(one, two)
    assert torch.equal(one, again)
    assert torch.equal(features, before)


def test_stretching_by_one_changes_nothing(reference):
    same = reference.augment.stretches(40, torch.ones(1), torch.zeros(1), 0.0)[0]
    clip = torch.randn(40, 7)
    assert torch.allclose(same.T @ clip, clip)


def test_the_reference_mirrors_the_starter_file_by_file():
    def names(folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir() if path.suffix in (".py", ".md", ".csv")}

    assert names(REFERENCE) == names(TEMPLATE)


@pytest.mark.parametrize(
    ("data", "model"),
    [("speech-synthetic", "model.onnx"), ("fsdd", "fsdd/model.onnx")],
)
def test_the_committed_reference_is_small(data, model):
    baseline = inspect((BASELINES / f"{data}.onnx").read_bytes())
    ours = inspect((REFERENCE / model).read_bytes())
    assert baseline.params == 70_443
    assert baseline.macs == 913_920 + 704
    assert baseline.bytes / ours.bytes >= 100
    assert baseline.macs / ours.macs >= 35


def test_the_committed_network_is_the_one_in_the_code(reference, tmp_path):
    model, path = reference.model.Separable(reference.model.TINY), tmp_path / "model.onnx"
    with torch.no_grad():  # equal biases, as before training, would be stored once
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    reference.export.export(model, path, "int8")
    fresh, committed = (
        inspect(raw) for raw in (path.read_bytes(), (REFERENCE / "model.onnx").read_bytes())
    )
    assert (fresh.bytes, fresh.macs) == (committed.bytes, committed.macs)


def scores(path: Path, features: np.ndarray) -> np.ndarray:
    logits = starter.run(path, {"features": features})
    return logits[:, 1] - logits[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("artefact", "low", "high"),
    [
        (REFERENCE / "model.onnx", 0.0, 0.9),
        (SAMPLES / "narrow.onnx", 0.6, 1.6),  # as good as the baseline, but for the noise
        (SAMPLES / "small.onnx", 2.0, 1000.0),
    ],
    ids=["reference", "narrow", "small"],
)
def test_committed_artefacts_stand_where_they_should(artefact, low, high):
    settings = SyntheticSettings(hidden=Size(1000, 3000))
    hidden = load("speech-synthetic", "hidden", seed="demo", settings=settings)
    baseline = scores(BASELINES / "speech-synthetic.onnx", hidden.features)
    ours = scores(artefact, hidden.features)
    assert low <= ratio(ours, baseline, hidden.labels).value <= high


@pytest.mark.slow
def test_the_starter_runs_end_to_end_in_a_folder_of_its_own(tmp_path):
    folder = tmp_path / "hw"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pt"))
    few_clips = (
        "import functools, runpy; from grader import data; from grader.data import *;"
        f"data.load = functools.partial(data.load, settings={SETTINGS!r});"
        "runpy.run_path('train.py', run_name='__main__')"
    )
    options = ["--epochs", "1", "--storage", "int8", "--name", "first"]
    command = [sys.executable, "-c", few_clips, *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=600
    )
    assert done.returncode == 0, done.stderr
    rows = (folder / "experiments.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("first,")
    assert inspect((folder / "model.onnx").read_bytes()).macs == 105_520
