"""What students' scripts import: `grader.starter` has the names of docs/starter.md."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from grader import starter
from grader.data.text.posts import PostSet
from grader.text import Text
from grader.text.errors import DataError, UsageError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "starter.md"


class Network(nn.Module):
    """A recurrent network with dense layers on sequences and on vectors, (batch, steps, 4) in."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 6, num_layers=2, batch_first=True)
        self.energy = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
        self.classifier = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x)
        return self.classifier((states * self.energy(states).softmax(dim=1)).sum(dim=1))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Path]:
    torch.manual_seed(0)
    network, path = Network(), tmp_path_factory.mktemp("starter") / "model.onnx"
    starter.export(network, path, (torch.zeros(2, 7, 4),), ["x"], ["y"], {"x": {0: "batch"}})
    return network, path


def inputs() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)}


def test_the_page_lists_every_public_name_and_no_other():
    page = PAGE.read_text(encoding="utf-8")
    columns = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    listed = {name for column in columns for name in re.findall(r"`(\w+)", column)}
    own = {
        name
        for name, value in vars(starter).items()
        if getattr(value, "__module__", "") == "grader.starter" and not name.startswith("_")
    }
    assert own <= set(re.findall(r"`(\w+)", page))
    assert listed <= set(vars(starter))


def test_an_export_answers_as_its_module_at_every_batch_size(exported):
    network, path = exported
    assert starter.agreement(network, path, inputs(), 1e-4) < 1e-4
    alone = starter.run(path, inputs(), batch_size=1)
    assert alone == pytest.approx(starter.run(path, inputs()), abs=1e-5)


def test_an_outdated_export_is_noticed(exported):
    network, path = exported
    changed = Network()
    changed.load_state_dict(network.state_dict())
    with torch.no_grad():
        changed.classifier.bias += 1
    with pytest.raises(starter.Disagreement, match="Export again"):
        starter.agreement(changed, path, inputs(), 1e-4)


def test_an_exported_network_is_read_back_weight_by_weight(exported):
    network, path = exported
    found, expected = starter.state_dict(onnx.load(path)), network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_weights_are_stored_as_the_caller_says(exported, tmp_path):
    network, whole = exported

    def coarse(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        if axis is None:
            return values.astype(np.float16)
        steps = np.full(values.shape[axis], 2**-7, np.float16)
        return np.rint(values * 2**7).astype(np.int8), steps

    path = tmp_path / "small.onnx"
    starter.export(
        network, path, (torch.zeros(2, 7, 4),), ["x"], ["y"], {"x": {0: "batch"}}, store=coarse
    )
    rounded = Network()
    rounded.load_state_dict(
        {
            name: (weight * 2**7).round() / 2**7 if weight.dim() > 1 else weight.half().float()
            for name, weight in network.state_dict().items()
        }
    )
    assert starter.agreement(rounded, path, inputs(), 1e-4) < 1e-4
    sizes = [starter.inspect(file.read_bytes()).bytes for file in (path, whole)]
    assert sizes[0] < sizes[1] / 2.5


def test_tables_gain_rows_under_their_own_columns(tmp_path):
    path = tmp_path / "experiments.csv"
    starter.add_row(path, {"name": "a, b", "bytes": 3})
    starter.add_row(path, {"bytes": 4})
    assert path.read_text(encoding="utf-8") == 'name,bytes\n"a, b",3\n,4\n'
    with pytest.raises(UsageError, match="no column 'macs', only name, bytes"):
        starter.add_row(path, {"macs": 1})
    starter.write_rows(path, [{"name": "c"}])
    assert path.read_text(encoding="utf-8") == "name\nc\n"


def test_a_script_ends_with_a_sentence_where_data_are_missing(monkeypatch):
    monkeypatch.setenv("GRADER_LANG", "ru")

    def main() -> None:
        raise DataError(Text.in_languages({"en": "There is no data.", "ru": "Данных нет."}))

    with pytest.raises(SystemExit, match=r"^Данных нет\.$"):
        starter.run_main(main)


def test_one_seed_repeats_every_random_number():
    threads = torch.get_num_threads()

    def drawn() -> tuple[float, float, float]:
        starter.repeatable(7)
        return torch.rand(1).item(), np.random.rand(), random.random()

    try:
        assert drawn() == drawn()
    finally:
        torch.set_num_threads(threads)


def test_classes_are_drawn_equally_often():
    labels = (torch.arange(3000) % 10 == 0).long()
    batches = starter.balanced_batches(labels, 128, torch.Generator().manual_seed(0))
    drawn = torch.cat(batches)
    assert len(drawn) == 3000
    assert labels[drawn].float().mean() == pytest.approx(0.5, abs=0.04)


def test_an_epoch_shortens_gradients_and_prints_its_mean_loss(capsys):
    weight = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    (epoch,) = starter.epochs(1)
    epoch.step((weight * torch.tensor([30.0, 40.0])).sum() + 1, optimizer, largest_norm=1.0)
    assert weight.tolist() == pytest.approx([-0.6, -0.8], abs=1e-5)
    epoch.done("validation 50%")
    assert re.match(r"  epoch   1/1  loss 1\.0000  validation 50%  ", capsys.readouterr().out)


def test_every_post_is_in_one_batch_and_keeps_its_first_token():
    texts = tuple("слово " * (1 + number % 9) + ")))" for number in range(50))
    part = PostSet("toy", "train", texts, np.arange(50) % 5, ("",) * 50)
    posts = starter.Posts.of(part, starter.train_tokenizer(texts, 60))
    generator = torch.Generator().manual_seed(0)
    batches = posts.batches(8, generator)
    assert sorted(torch.cat(batches).tolist()) == list(range(50))
    ids, mask = posts.without_words(batches[0], 1.0, generator)
    first, unknown = starter.SPECIAL.index("[CLS]"), starter.SPECIAL.index("[UNK]")
    assert (ids[:, 0] == first).all()
    assert (ids[:, 1:][mask[:, 1:] == 1] == unknown).all()
    assert (ids[mask == 0] == 0).all()
