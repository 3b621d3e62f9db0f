"""A damaged cache is noticed, named and rebuilt; the cache's own troubles are told plainly."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.data import cache as data_cache
from grader.data import load
from grader.text.errors import DataError


def flip_a_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


FILES = ["features.npy", "labels.npy", "clips.json", "audio.npy", "manifest.json"]


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_made_again(
    cache: Path,
    digits: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: Callable[[Path], None],
) -> None:
    before = load("fsdd", "train", source=digits)
    fingerprint, features = before.fingerprint, np.array(before.features)
    path = before.features_path.with_name(name)
    damage(path)
    with caplog.at_level(logging.WARNING):
        after = load("fsdd", "train", source=digits)
    assert str(path) in caplog.text or (name == "manifest.json" and "manifest" in caplog.text)
    assert after.fingerprint == fingerprint
    assert np.array_equal(after.features, features)
    caplog.clear()
    assert load("fsdd", "train", source=digits).fingerprint == fingerprint
    assert "preparing it again" not in caplog.text


def test_a_manifest_of_another_schema_is_not_trusted(
    cache: Path, digits: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = load("fsdd", "train", source=digits)
    path = clips.features_path.with_name("manifest.json")
    raw = path.read_text(encoding="utf-8").replace('"schema":1', '"schema":99')
    path.write_text(raw, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        load("fsdd", "train", source=digits)
    assert "schema 99" in caplog.text


def test_a_second_load_reads_the_cache(cache: Path, digits: Path) -> None:
    called: list[int] = []
    first = load("fsdd", "hidden", source=digits, progress=lambda *_: called.append(1))
    assert called
    called.clear()
    again = load("fsdd", "hidden", source=digits, progress=lambda *_: called.append(1))
    assert not called
    assert again.features_path == first.features_path


def test_leftovers_of_a_killed_build_are_cleared(cache: Path, digits: Path) -> None:
    folder = load("fsdd", "train", source=digits).features_path.parent
    leftover = folder.with_name(f".{folder.name}.4711.partial")
    folder.rename(leftover)
    (leftover / "features.npy").write_bytes(b"half")
    load("fsdd", "train", source=digits)
    assert folder.is_dir()
    assert not leftover.exists()


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    monkeypatch.setenv("GRADER_CACHE", str(file))
    with pytest.raises(DataError, match="GRADER_CACHE") as caught:
        load("fsdd", "train", source=digits)
    assert str(file) in caught.value.to("ru")


def test_a_full_disk_is_told_before_it_kills_the_build(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are needed"):
        data_cache.require_space(tmp_path, 10**18)


def test_an_entry_is_closed_to_other_users(cache: Path, digits: Path) -> None:
    folder = load("fsdd", "hidden", source=digits).features_path.parent
    if folder.stat().st_mode & 0o700 == 0o700 and hasattr(folder, "owner"):
        assert folder.stat().st_mode & 0o077 == 0
