"""The toy lesson's course, its examination, and the command on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader import grading
from grader.grading import Examination
from grader.lesson import loading
from tests.batch import toy
from tests.conftest import Grader

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def toy_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.make_course(tmp_path_factory.mktemp("toy_course"))


@pytest.fixture
def examination(toy_course: Path, monkeypatch: pytest.MonkeyPatch) -> Examination:
    monkeypatch.setenv("GRADER_COURSE", str(toy_course))
    return grading.prepare(loading.load("toy"), "hidden", seed="s")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Submissions."""
    path = tmp_path / "class"
    path.mkdir()
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def toys(grader: Grader, toy_course: Path, tmp_path: Path) -> Grader:
    """The command on the toy course, with temporary files in a folder of its own."""
    own = tmp_path / "tmp"
    own.mkdir()
    more = {"GRADER_COURSE": str(toy_course), "TMPDIR": str(own)}
    return Grader(grader.environment | more, grader.home)


@pytest.fixture
def start(toys: Grader) -> Iterator[Start]:
    """Start the command and go on; whatever is left of it ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "grader", *map(str, arguments)],
            cwd=toys.home,
            env=toys.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.communicate()
