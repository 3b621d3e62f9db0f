"""Shared fixtures: a small course on real synthetic speech, and the real data folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SMALL = {
    "hidden = { positives = 4000, negatives = 12000 }": "hidden = { positives = 120, negatives = 360 }",
    "public = { positives = 1500, negatives = 4500 }": "public = { positives = 100, negatives = 300 }",
}

Grader = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def cache(request: pytest.FixtureRequest) -> Path:
    """Generated speech is kept between test runs; it is checked by its checksum."""
    return Path(request.config.cache.mkdir("speech"))


@pytest.fixture(scope="session")
def small_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real course with few clips, so that a grade takes a second."""
    course = tmp_path_factory.mktemp("course")
    for tree in ("assignments", "reference_solutions", "student_template"):
        shutil.copytree(
            REPOSITORY / tree, course / tree, ignore=shutil.ignore_patterns("__pycache__")
        )
    path = course / "assignments" / "distillation" / "lesson.toml"
    text = path.read_text(encoding="utf-8")
    for large, small in SMALL.items():
        assert large in text
        text = text.replace(large, small)
    path.write_text(text, encoding="utf-8")
    return course


@pytest.fixture(scope="session")
def grader(small_course: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Grader:
    """Run the real command on the small course: grader("check", cwd=..., env=...)."""
    home = tmp_path_factory.mktemp("home")
    base = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"GRADER_|LANG$|LC_|COLUMNS$", name)
    }
    base |= {
        "GRADER_COURSE": str(small_course),
        "GRADER_CACHE": str(cache),
        "GRADER_HIDDEN_SEED": "tests",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "COLUMNS": "200",
    }

    def run(
        *arguments: str | Path, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grader", *map(str, arguments)],
            cwd=cwd or home,
            env=base | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Copies of public data, for tests on real recordings."""
    folder = Path(os.environ.get("GRADER_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set GRADER_SHARED_DATA to its folder")
    return folder
