"""What a child leaves in a folder on the system's own disk, where it has none in memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("children are forked on Linux only", allow_module_level=True)

from grader.sandbox.isolation.confine import fills, remove_place

LIMITS = {"disk_bytes": 2**20, "disk_files": 10}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "place"
    path.mkdir()
    return path


def test_links_to_other_peoples_files_are_removed_and_not_followed(place: Path) -> None:
    secret, folder = place.parent / "secret", place.parent / "folder"
    secret.write_text("secret", encoding="utf-8")
    secret.chmod(0o600)
    folder.mkdir(mode=0o755)
    (place / "locked").mkdir()
    (place / "locked" / "a").symlink_to(secret)
    (place / "locked" / "b").symlink_to(folder)
    (place / "locked").chmod(0o500)
    remove_place(place)
    assert not place.exists()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_deeper_than_any_path_is_removed(place: Path) -> None:
    here = Path.cwd()
    os.chdir(place)
    try:
        for _ in range(2000):
            Path("d" * 50).mkdir()
            os.chdir("d" * 50)
    finally:
        os.chdir(here)
    assert fills(place, LIMITS | {"disk_files": 10**6})
    remove_place(place)
    assert list(place.parent.iterdir()) == []


def test_files_and_bytes_are_counted(place: Path) -> None:
    for number in range(9):
        (place / str(number)).touch()
    assert not fills(place, LIMITS)
    (place / "in").mkdir()
    (place / "in" / "large").write_bytes(bytes(2**20 + 8192))
    assert fills(place, LIMITS | {"disk_files": 100})
    assert fills(place, LIMITS | {"disk_bytes": 2**30})
