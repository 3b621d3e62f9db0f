"""The registry: names, the catalogue, adding a data set, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader import data
from grader.cli.data import command
from grader.data import DATASETS, Dataset, Pair, PairSet, Request, get, load, load_pairs
from grader.text import Text
from grader.text.errors import UsageError


def test_an_unknown_data_set_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"speech-synthetic, speech-commands-v0\.01.*fsdd"):
        load("speech", "train")


def test_an_unknown_part_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="train, validation, hidden"):
        load("fsdd", "test")  # type: ignore[arg-type]


def test_the_built_in_data_take_no_source(tmp_path: Path) -> None:
    for attempt in (
        lambda: get("speech-synthetic", tmp_path),
        lambda: load("speech-synthetic", "train", source=tmp_path),
    ):
        with pytest.raises(UsageError, match="built in"):
            attempt()


def test_every_name_in_the_catalogue_is_known_and_described(cache: Path) -> None:
    rows = DATASETS.values()
    assert [row.name for row in rows] == [
        "speech-synthetic",
        "speech-commands-v0.01",
        "speech-commands-v0.02",
        "fsdd",
        "chat-synthetic",
        "tinychat",
        "posts-synthetic",
        "rusentiment",
    ]
    assert [row.needs_download for row in rows] == [
        *(False, True, True, True, False, True),
        *(False, True),
    ]
    for row in rows:
        assert row.title.to("ru") != row.title.to("en")
        assert row.license
        assert row.address.startswith(("https://", "grader.data."))
        assert row.is_prepared() == (row.name == "chat-synthetic")


def test_the_catalogue_tells_what_is_prepared(cache: Path, digits: Path) -> None:
    get("fsdd", digits)
    assert {row.name for row in DATASETS.values() if row.is_prepared()} == {
        "fsdd",
        "chat-synthetic",
    }


@pytest.fixture
def greetings(monkeypatch: pytest.MonkeyPatch) -> Dataset[PairSet]:
    """A data set of one's own, added by one entry."""

    def made(request: Request) -> PairSet:
        who = request.settings or "you"
        return PairSet("greetings", request.part, (Pair(f"{request.part} to {who}", "HI"),))

    dataset = Dataset(
        name="greetings",
        holds=PairSet,
        title=Text.in_languages({"en": "greetings", "ru": "приветствия"}),
        license="none",
        size=Text.in_languages({"en": "3 pairs", "ru": "3 пары"}),
        address="https://example.org",
        settings=str,
        load=made,
        is_prepared=lambda: True,
    )
    monkeypatch.setitem(DATASETS, dataset.name, dataset)
    return dataset


def test_an_added_data_set_is_loaded_by_its_name(greetings: Dataset[PairSet]) -> None:
    assert load_pairs("greetings", "train").pairs == (Pair("train to you", "HI"),)
    assert set(get("greetings")) == {"train", "validation"}
    assert load_pairs("greetings", "hidden", seed="s").part == "hidden"
    with pytest.raises(UsageError, match="seed"):
        load_pairs("greetings", "hidden")
    with pytest.raises(UsageError, match="chat-synthetic, tinychat, greetings"):
        load_pairs("fsdd", "train")


def test_an_added_data_set_gets_its_own_settings_and_no_others(
    greetings: Dataset[PairSet],
) -> None:
    own, others = (
        load_pairs("greetings", "train", settings=settings)  # type: ignore[arg-type]
        for settings in ("Ada", data.ChatSettings())
    )
    assert own.pairs[0].query == "train to Ada"
    assert others.pairs[0].query == "train to you"


def test_an_added_data_set_is_listed_and_prepared_by_the_command(
    greetings: Dataset[PairSet], cache: Path
) -> None:
    listed = CliRunner().invoke(command, ["list", "--lang", "ru"])
    assert "✓ greetings  —  приветствия" in listed.output
    done = CliRunner().invoke(command, ["get", "greetings", "--lang", "en"])
    assert done.exit_code == 0, done.output
    assert "train: 1 pairs, 1 distinct queries, 3 characters" in done.output


def test_importing_is_light() -> None:
    code = (
        "import sys, grader.data; print([m for m in ('torch', 'scipy', 'onnx', 'matplotlib',"
        " 'espeakng_loader') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
