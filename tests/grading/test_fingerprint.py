"""The fingerprint of the engine in a grade: which files a regrade depends on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader.grading.one import DECIDES_NUMBERS, source_fingerprint

DECIDE_NOTHING = {
    "__init__.py": "holds the version, which a grade names beside the fingerprint",
    "__main__.py": "starts the command line",
    "batch": "chooses where and when a submission is graded",
    "cli": "prints grades",
    "gradebook": "writes grades into tables",
    "grading/__init__.py": "names what `one` defines",
    "grading/check.py": "is a student's own check; no grade of it is kept by fingerprint",
    "grading/hints.py": "shows hints beside a grade",
    "grading/history.py": "remembers scores of checks",
    "grading/project.py": "keeps files in a student's folder",
    "handout": "draws lectures",
    "lesson/__init__.py": "is empty",
    "locale": "holds translations",
    "lesson/course.py": "finds the lessons, whose files have a fingerprint of their own",
    "lesson/scoring.py": "takes deductions off and ranks, on every run again",
    "py.typed": "is empty",
    "release": "packs files for students",
    "report": "draws pages from grades",
    "semester": "knows deadlines, which are applied on every run again",
    "similarity": "compares submissions after grading",
    "text/__init__.py": "holds sentences",
    "text/numbers.py": "writes numbers in sentences",
    "text/errors.py": "holds exceptions",
    "text/progress.py": "prints progress",
    "text/untrusted.py": "makes names and logs visible",
}
"""The other parts, and what each does instead."""


@pytest.fixture(scope="module")
def engine(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the engine."""
    copy = tmp_path_factory.mktemp("engine") / "grader"
    ignored = shutil.ignore_patterns("__pycache__", "_course")
    return Path(shutil.copytree(repository / "grader", copy, ignore=ignored))


def fingerprint(engine: Path) -> str:
    return source_fingerprint.__wrapped__(engine)


def test_every_part_is_classified_once(engine: Path) -> None:
    """A new part of the engine fails here until it is added to one of the two lists."""
    listed = [*DECIDES_NUMBERS, *DECIDE_NOTHING]
    assert [name for name in listed if not (engine / name).exists()] == []
    for path in engine.rglob("*"):
        if path.is_file():
            inside = path.relative_to(engine).as_posix()
            owners = [name for name in listed if inside == name or inside.startswith(f"{name}/")]
            assert len(owners) == 1, f"{inside} belongs to {owners or 'no list'}"


def test_the_copy_has_the_fingerprint_of_the_engine(engine: Path) -> None:
    assert fingerprint(engine) == source_fingerprint()


@pytest.mark.parametrize("part", DECIDES_NUMBERS)
def test_a_change_where_numbers_are_decided_is_seen(engine: Path, part: str) -> None:
    place = engine / part
    file = place if place.is_file() else max(path for path in place.rglob("*.*") if path.is_file())
    before, source = fingerprint(engine), file.read_bytes()
    file.write_bytes(source + b"# changed\n")
    assert fingerprint(engine) != before
    file.write_bytes(source)
    assert fingerprint(engine) == before


@pytest.mark.parametrize("table", ["measure/hardware/catalogue.toml", "board/runtime/libc.c"])
def test_files_that_are_no_python_count_too(engine: Path, table: str) -> None:
    before, source = fingerprint(engine), (engine / table).read_bytes()
    (engine / table).write_bytes(source + b"\n")
    assert fingerprint(engine) != before
    (engine / table).write_bytes(source)


@pytest.mark.parametrize("part", DECIDE_NOTHING)
def test_a_change_elsewhere_grades_nothing_again(engine: Path, part: str) -> None:
    place = engine / part
    file = place if place.is_file() else max(path for path in place.rglob("*.*") if path.is_file())
    before, source = fingerprint(engine), file.read_bytes()
    file.write_bytes(source + b"# changed\n")
    assert fingerprint(engine) == before
    file.write_bytes(source)


def test_a_compiled_module_does_not_count(engine: Path) -> None:
    before = fingerprint(engine)
    compiled = engine / "measure" / "__pycache__" / "x.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    assert fingerprint(engine) == before
