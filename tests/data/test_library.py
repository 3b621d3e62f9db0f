"""Names, the catalogue, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader.data import catalogue, get, load
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
    rows = catalogue()
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
        assert row.title.ru != row.title.en
        assert row.licence
        assert row.address.startswith(("https://", "grader.data."))
        assert row.prepared == (row.name == "chat-synthetic")


def test_the_catalogue_tells_what_is_prepared(cache: Path, digits: Path) -> None:
    get("fsdd", digits)
    assert {row.name for row in catalogue() if row.prepared} == {"fsdd", "chat-synthetic"}


def test_importing_is_light() -> None:
    code = (
        "import sys, grader.data; print([m for m in ('torch', 'scipy', 'onnx', 'matplotlib',"
        " 'espeakng_loader') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
