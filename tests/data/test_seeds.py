"""The instructor's seed: given, from the environment, or from a private file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader.data import hidden_seed, load
from grader.data.seeds import seed_file
from grader.text.errors import UsageError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without a seed."""
    for name in ("HOME", "XDG_CONFIG_HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("GRADER_HIDDEN_SEED", raising=False)
    return tmp_path


def test_an_argument_wins_over_the_environment_and_that_over_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file, where = hidden_seed()
    assert where == str(seed_file())
    monkeypatch.setenv("GRADER_HIDDEN_SEED", "from-environment")
    assert hidden_seed() == ("from-environment", "GRADER_HIDDEN_SEED")
    assert hidden_seed("given") == ("given", "argument")
    monkeypatch.delenv("GRADER_HIDDEN_SEED")
    assert hidden_seed()[0] == from_file


def test_the_first_use_makes_a_long_seed_that_stays(home: Path) -> None:
    seed, _ = hidden_seed()
    assert len(bytes.fromhex(seed)) == 32
    assert hidden_seed()[0] == seed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such mode bits")
def test_only_the_owner_can_read_the_file(home: Path) -> None:
    hidden_seed()
    assert seed_file().stat().st_mode & 0o777 == 0o600


def test_two_first_runs_at_once_agree(home: Path) -> None:
    code = "from grader.data import hidden_seed; print(hidden_seed()[0])"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert len({process.communicate(timeout=300)[0] for process in running}) == 1


def test_a_seed_that_cannot_be_kept_is_told(home: Path) -> None:
    seed_file().mkdir(parents=True)
    with pytest.raises(UsageError, match="GRADER_HIDDEN_SEED"):
        hidden_seed()


def test_the_hidden_part_without_a_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="seed"):
        load("speech-synthetic", "hidden")
