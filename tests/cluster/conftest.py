"""A class to grade on clusters, its grades from this machine, and certificates."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.lesson import loading
from tests.cluster.processes import Certificates, documented
from tests.conftest import Grader

Grades = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def certificates(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made by the commands that docs/cluster.md shows."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("tls")
    commands = documented(repository / "docs" / "cluster.md", "openssl")
    subprocess.run(["sh", "-e", "-c", commands], cwd=folder, check=True, capture_output=True)
    return Certificates(folder)


@pytest.fixture(scope="session")
def submissions(small_course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lesson's ten samples three times, each time with something of its own."""
    folder = tmp_path_factory.mktemp("class") / "submissions"
    sample = tmp_path_factory.mktemp("samples") / "samples"
    sample.mkdir()
    lesson = loading.load_folder(small_course / "assignments" / "distillation")
    assert lesson.samples is not None
    lesson.samples.make(sample, lesson)
    for path in sample.iterdir():
        for number in range(3):
            name = f"{path.name.partition('.')[0]}-{number}"
            if path.is_dir():
                shutil.copytree(path, folder / name)
                (folder / name / "notes.txt").write_text(name, encoding="utf-8")
            else:
                shutil.copy(path, folder / f"{name}{''.join(path.suffixes)}")
    return folder


@pytest.fixture(scope="session")
def local(grader: Grader, submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Grades:
    """Grades of the class from a batch on this machine."""
    out = tmp_path_factory.mktemp("local") / "out"
    done = grader("batch", "distillation", submissions, "--out", out)
    assert done.returncode == 1, done.stderr  # some are below the gate
    return grades_in(out)


@pytest.fixture
def altered_course(small_course: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """The small course with one line of the lesson's autograder changed."""

    def alter(old: str, new: str) -> Path:
        course = Path(shutil.copytree(small_course, tmp_path / "altered"))
        path = course / "assignments" / "distillation" / "autograder.py"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        return course

    return alter


def grades_in(out: Path) -> Grades:
    """Grades by name, without what is measured in seconds: that differs from run to run."""
    found: Grades = {}
    for path in (out / "grades").glob("*.json"):
        grade = json.loads(path.read_bytes())
        del grade["seconds"]
        for name in [name for name in grade["measurements"] if name.startswith("latency")]:
            del grade["measurements"][name]
        found[grade["submission"]["name"]] = grade
    return found
