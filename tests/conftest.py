"""Shared fixtures: a small course on real synthetic speech, and the real data folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Machines are busy: an example may take as long as it takes. In CI the same examples each time.
settings.register_profile("course", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("course")

REPOSITORY = Path(__file__).resolve().parent.parent
SMALL = {
    "distillation": {
        # Importing torch to show other tools' figures takes longer than all the rest of a check.
        'torch_module = "model:profiled"\n': "",
        "{ positives = 4000, negatives = 12000 }": "{ positives = 120, negatives = 360 }",
        "{ positives = 1500, negatives = 4500 }": "{ positives = 100, negatives = 300 }",
    },
    "streaming_kws": {
        "{ keywords = 900, others = 2400, background = 300 }": (
            "{ keywords = 30, others = 80, background = 10 }"
        ),
        "{ keywords = 300, others = 800, background = 100 }": (
            "{ keywords = 25, others = 70, background = 5 }"
        ),
        "fine_seconds = 600": "fine_seconds = 60",
        "short_tracks = 4": "short_tracks = 1",
        "offline_clips = 64": "offline_clips = 8",
    },
    "profiling": {"inputs = 64": "inputs = 12", "timed = 40": "timed = 8"},
    "quantization": {
        "hidden = 4000": "hidden = 600",
        "public = 1500": "public = 400",
        "rounds = 24": "rounds = 4",
        "attempts = 6": "attempts = 1",
    },
}

SPLIT = ("tests/hostile/test_hostile.py", "tests/docs/test_commands.py")
"""Long files whose parameters run side by side."""
Done = subprocess.CompletedProcess[str]


def pytest_configure(config: pytest.Config) -> None:
    """Everything that tests prepare (speech, the translated compiler, drawn formulas) lies in one
    cache: made once for all worker processes, kept between runs, and not the developer's own."""
    os.environ["GRADER_CACHE"] = str(config.cache.mkdir("grader"))  # type: ignore[union-attr]
    # Several test processes share the cores: threads that wait for each other would only spin.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def group(nodeid: str) -> str:
    """Tests of one group run in one process: those of a file, or of one parameter of a long one."""
    file, _, test = nodeid.partition("::")
    return f"{file} {test.partition('[')[2]}" if file in SPLIT else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups with slow tests first, so that none of them is left for the end."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group(item.nodeid), []).append(item)
    slow = {name: any("slow" in item.keywords for item in of) for name, of in groups.items()}
    items[:] = [item for name in sorted(groups, key=lambda n: not slow[n]) for item in groups[name]]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByGroup(config, log)


@dataclass(frozen=True)
class Grader:
    """The real command in a process of its own: grader("check", cwd=..., LANG="ru_RU")."""

    environment: dict[str, str]
    home: Path

    def __call__(self, *arguments: str | Path, cwd: Path | None = None, **extra: str) -> Done:
        return self.python("-m", "grader", *map(str, arguments), cwd=cwd, **extra)

    def python(self, *arguments: str, cwd: Path | None = None, **extra: str) -> Done:
        """Run the interpreter in the same environment."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.home,
            env=self.environment | extra,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def cache() -> Path:
    """The cache of all tests; what lies in it is checked by its checksum."""
    return Path(os.environ["GRADER_CACHE"])


@pytest.fixture(scope="session")
def small_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real course with few clips, so that a grade takes a second."""
    course = tmp_path_factory.mktemp("course")
    for tree in ("assignments", "reference_solutions", "student_template"):
        shutil.copytree(
            REPOSITORY / tree, course / tree, ignore=shutil.ignore_patterns("__pycache__")
        )
    for lesson, changes in SMALL.items():
        path = course / "assignments" / lesson / "lesson.toml"
        text = path.read_text(encoding="utf-8")
        for large, small in changes.items():
            assert large in text
            text = text.replace(large, small)
        path.write_text(text, encoding="utf-8")
    return course


@pytest.fixture(scope="session")
def grader(small_course: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Grader:
    """The command on the small course, with a home folder and a secret of its own."""
    home = tmp_path_factory.mktemp("home")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"GRADER_|LANG$|LC_|COLUMNS$", name)
    }
    return Grader(
        inherited
        | {
            "GRADER_COURSE": str(small_course),
            "GRADER_CACHE": str(cache),
            "GRADER_HIDDEN_SEED": "tests-secret",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "COLUMNS": "200",
        },
        home,
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Copies of public data, for tests on real recordings."""
    folder = Path(os.environ.get("GRADER_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set GRADER_SHARED_DATA to its folder")
    return folder
