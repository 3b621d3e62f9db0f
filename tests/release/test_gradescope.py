"""`grader export gradescope`: the zip does on the platform what the platform expects.

The platform unpacks the zip into /autograder/source, copies run_autograder to /autograder, runs
setup.sh once and run_autograder in /autograder for each submission
(https://gradescope-autograders.readthedocs.io/en/latest/specs/). Here /autograder is a folder of
the test, and the libraries lie in its environment already, so that setup.sh installs the package
alone.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Grader
from tests.release import environment

SEED = "seed-of-the-platform-8d21"
ALONE = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="the platform's shell is bash")


def export(grader: Grader, out: Path, *options: str, lesson: str = "distillation") -> Path:
    done = grader("export", "gradescope", lesson, "--out", out, "--seed", SEED, *options)
    assert done.returncode == 0, done.stderr
    assert SEED not in done.stdout
    return out


@pytest.fixture(scope="module")
def platform(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/autograder after the image was built."""
    root = tmp_path_factory.mktemp("platform") / "autograder"
    source = root / "source"
    unpack(export(grader, root.parent / "zip.zip"), source)
    environment.make(root / "venv")
    built = environment.run("bash", source / "setup.sh", cwd=root, HOME=str(root), **ALONE)
    assert built.returncode == 0, built.stdout + built.stderr
    assert SEED not in built.stdout + built.stderr
    shutil.copy(source / "run_autograder", root / "run_autograder")
    (root / "run_autograder").chmod(0o755)
    return root


def submit(platform: Path, work: Path) -> tuple[int, dict[str, object]]:
    """What the platform does for one submission: exit code and results.json."""
    shutil.rmtree(platform / "submission", ignore_errors=True)
    shutil.rmtree(platform / "results", ignore_errors=True)
    shutil.copytree(work, platform / "submission")
    (platform / "results").mkdir()
    ended = environment.run(platform / "run_autograder", cwd=platform, HOME=str(platform))
    raw = (platform / "results" / "results.json").read_text("utf-8")
    assert SEED not in raw + ended.stdout + ended.stderr
    return ended.returncode, json.loads(raw)


@needs_bash
@pytest.mark.slow
def test_a_good_submission_gets_its_points(platform: Path, repository: Path) -> None:
    code, said = submit(platform, repository / "reference_solutions" / "distillation")
    assert code == 0, said
    require_format(said)
    assert said["score"] == 7.0
    assert sum(test.get("score", 0) for test in said["tests"]) == said["score"]
    public = [test for test in said["tests"] if "public" in test["tags"]]
    assert public
    assert all(test["visibility"] == "visible" for test in public)
    hidden = [test for test in said["tests"] if "public" not in test["tags"]]
    assert all(test["visibility"] == "after_due_date" for test in hidden)
    assert {row["name"] for row in said["leaderboard"]}


@needs_bash
@pytest.mark.slow
def test_an_untouched_starter_is_told_what_is_missing(
    platform: Path, grader: Grader, tmp_path: Path
) -> None:
    assert grader("new", "distillation", tmp_path / "hw").returncode == 0
    code, said = submit(platform, tmp_path / "hw")
    assert code == 0
    require_format(said)
    assert said["score"] == 0
    assert "Expected model.onnx" in said["output"]


@needs_bash
@pytest.mark.slow
def test_our_own_failure_leaves_a_sentence_and_no_zero(platform: Path, tmp_path: Path) -> None:
    (tmp_path / "hw").mkdir()
    settings = platform / "source" / "settings.json"
    kept = settings.read_bytes()
    settings.write_bytes(kept.replace(b"distillation", b"distilation"))
    try:
        code, said = submit(platform, tmp_path / "hw")
    finally:
        settings.write_bytes(kept)
    assert code != 0
    assert "costs no points" in said["output"]
    assert "score" not in said
    assert "tests" not in said


@needs_bash
@pytest.mark.slow
def test_a_submission_cannot_read_the_folder_of_the_autograder(platform: Path) -> None:
    for name in ("source", "cache"):
        assert stat.S_IMODE((platform / name).stat().st_mode) & 0o077 == 0


def test_the_zip_has_the_files_at_its_top(grader: Grader, tmp_path: Path) -> None:
    made = export(grader, tmp_path / "a.zip", "--show", "visible", "--trust", "--lang", "ru")
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
        settings = json.loads(archive.read("settings.json"))
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {"setup.sh", "run_autograder", "settings.json", "hidden_seed"} <= names
    assert settings == {
        "lesson": "distillation",
        "lang": "ru",
        "shown": "visible",
        "data": None,
        "trust": True,
    }
    assert modes["run_autograder"] & stat.S_IXUSR
    assert modes["hidden_seed"] & 0o077 == 0
    if os.name == "posix":
        assert stat.S_IMODE(made.stat().st_mode) & 0o077 == 0


def test_no_reference_and_no_other_lesson_goes_to_the_platform(
    grader: Grader, tmp_path: Path
) -> None:
    unpack(export(grader, tmp_path / "a.zip", lesson="profiling"), tmp_path / "source")
    (wheel,) = (tmp_path / "source").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    course = [name.removeprefix("grader/_course/") for name in names if "/_course/" in name]
    lessons = {name.split("/")[1] for name in course if name.count("/") >= 2}
    assert lessons == {"profiling"}
    assert [name for name in course if name.startswith("reference")] == [
        "reference_solutions/README.md"
    ]
    assert not any("/samples/" in name for name in course)


def test_wrong_usage_is_one_sentence(grader: Grader, tmp_path: Path) -> None:
    for arguments, words in (
        (["gradescope", "destillation"], "Did you mean distillation"),
        (["gradescope", "distillation", "--data", "mnist"], "mnist"),
        (["gradescope", "distillation", "--out", str(tmp_path / "no" / "where")], "where"),
        (["moodle", "distillation"], "moodle"),
    ):
        done = grader("export", *arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stdout + done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def unpack(made: Path, source: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        archive.extractall(source)


def require_format(said: dict[str, object]) -> None:
    """The documented fields with the documented types, and no others."""
    visible = {"hidden", "after_due_date", "after_published", "visible"}
    assert set(said) <= {
        "score",
        "execution_time",
        "output",
        "output_format",
        "visibility",
        "stdout_visibility",
        "test_name_format",
        "test_output_format",
        "extra_data",
        "tests",
        "leaderboard",
    }
    assert isinstance(said["score"], int | float)
    assert math.isfinite(said["score"])
    assert isinstance(said["output"], str)
    assert said["stdout_visibility"] in visible
    assert isinstance(said["tests"], list)
    for test in said["tests"]:
        assert set(test) <= {
            "score",
            "max_score",
            "status",
            "name",
            "number",
            "output",
            "tags",
            "visibility",
            "extra_data",
        }
        assert "score" in test or test["status"] in ("passed", "failed")
        assert test["visibility"] in visible
        assert all(isinstance(tag, str) for tag in test["tags"])
    for row in said["leaderboard"]:
        assert set(row) <= {"name", "value", "order"}
        assert row["order"] in ("asc", "desc")
