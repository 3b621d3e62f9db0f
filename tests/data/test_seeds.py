"""The instructor's seed: given, from the environment, or from a private file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader import grading
from grader.data import hidden_seed, load
from grader.data.seeds import lesson_seed, seed_file, weakness
from grader.lesson import loading
from grader.lesson.contract import Setup
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


def test_each_lesson_has_a_secret_of_its_own() -> None:
    made = {lesson_seed(seed, lesson) for seed in ("demo", "Demo") for lesson in ("one", "two")}
    assert len(made) == 4
    assert all(len(bytes.fromhex(one)) == 32 for one in made)


@pytest.mark.parametrize("lesson", ["profiling", "pruning_arduino"])
def test_hidden_data_cannot_be_drawn_from_the_seed_without_the_slow_step(lesson: str) -> None:
    """Whatever a page shows of hidden data, checking a guess of the seed costs scrypt."""
    found = loading.load(lesson)
    quick = found.autograder.prepare(
        Setup(found.spec, found.folder, "hidden", found.spec.data.names[0], seed="demo")
    )
    slow = grading.prepare(found, "hidden", seed="demo")
    assert slow.exam.data_id != quick.data_id
    assert slow.provenance.data == slow.exam.data_id
    again = found.autograder.prepare(
        Setup(
            found.spec,
            found.folder,
            "hidden",
            found.spec.data.names[0],
            seed=lesson_seed("demo", lesson),
        )
    )
    assert again.data_id == slow.exam.data_id


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("demo", "4 characters, at most 2**19 possibilities"),
        ("2026", "at most 2**13 possibilities"),
        ("Autumn-26", "at most 2**59 possibilities"),
        ("a" * 64, None),
        ("0123456789abcdef", None),
    ],
)
def test_a_short_seed_is_told_what_it_is_worth(seed: str, words: str | None) -> None:
    told = weakness(seed)
    assert (told is None) == (words is None)
    if told is not None:
        assert words in told.to("en")
        assert told.to("ru") != told.to("en")
        assert seed not in told.to("en")


def test_a_seed_that_cannot_be_kept_is_told(home: Path) -> None:
    seed_file().mkdir(parents=True)
    with pytest.raises(UsageError, match="GRADER_HIDDEN_SEED"):
        hidden_seed()


def test_the_hidden_part_without_a_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="seed"):
        load("speech-synthetic", "hidden")
