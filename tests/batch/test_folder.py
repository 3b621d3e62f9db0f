"""The folder of results: whose it is, what stays in it, and what a full disk does to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch import toy
from tests.batch.conftest import Start
from tests.conftest import Done, Grader

pytestmark = pytest.mark.slow


@pytest.fixture
def batch(toys: Grader, folder: Path, out: Path):  # type: ignore[no-untyped-def]
    def run(*more: str | Path, **environment: str) -> Done:
        return toys("batch", "toy", folder, "--out", out, "--trust", *more, **environment)

    return run


def graded(out: Path) -> dict[str, dict]:
    found = [json.loads(path.read_bytes()) for path in (out / "grades").glob("[!.]*.json")]
    return {grade["submission"]["name"]: grade for grade in found}


def written(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "grades").glob("*.json")}


# What a rerun does ---------------------------------------------------------------------------


def test_another_seed_grades_everything_again(batch, folder: Path, out: Path) -> None:
    toy.submit(folder, "ada", "ok")
    batch("--seed", "one")
    assert "1 of 1 are graded already" in batch("--seed", "one").stderr
    before = written(out)
    assert "graded already" not in batch("--seed", "two").stderr
    assert written(out)["ada.json"] > before["ada.json"]
    data = graded(out)["ada"]["provenance"]["data"]
    assert data.startswith("none:")
    assert "two" not in data  # a secret made of the seed


def test_another_lesson_file_grades_everything_again(
    batch, folder: Path, out: Path, toy_course: Path, tmp_path: Path
) -> None:
    course = Path(shutil.copytree(toy_course, tmp_path / "course"))
    toy.submit(folder, "ada", "ok")
    batch(GRADER_COURSE=str(course))
    spec = course / "assignments" / "toy" / "lesson.toml"
    spec.write_text(spec.read_text("utf-8").replace("min(length, 1)", "min(length / 2, 1)"))
    done = batch(GRADER_COURSE=str(course))
    assert "graded already" not in done.stderr
    assert graded(out)["ada"]["score"] == 0.5


def test_another_archive_of_the_same_name_is_graded_again(
    batch, folder: Path, out: Path, tmp_path: Path
) -> None:
    def pack(act: str) -> None:
        place = toy.submit(tmp_path / "packed", "ada", act)
        shutil.make_archive(str(folder / "ada"), "zip", place)

    pack("fault")
    toy.submit(folder, "bob", "ok")
    assert batch().returncode == 3
    assert graded(out)["ada"]["status"] == "grader_fault"
    pack("ok")
    assert "1 of 2 are graded already" in batch().stderr
    assert graded(out)["ada"]["status"] == "graded"


def test_traceback_of_a_fault_is_kept_until_it_is_gone(batch, folder: Path, out: Path) -> None:
    toy.submit(folder, "ada", "fault")
    assert batch().returncode == 3
    assert "the autograder is broken" in (out / "faults" / "ada.txt").read_text("utf-8")
    assert "the autograder is broken" not in (out / "grades" / "ada.json").read_text("utf-8")
    toy.submit(folder, "ada", "ok")
    assert batch().returncode == 0
    assert not (out / "faults").exists()


def test_removed_submissions_are_set_aside_whole_and_never_overwritten(
    batch, folder: Path, out: Path
) -> None:
    toy.submit(folder, "ada", "ok")
    for act in ("fault", "ok"):
        toy.submit(folder, "bob", act)
        batch()
        shutil.rmtree(folder / "bob")
        batch()
        assert set(graded(out)) == {"ada"}
        assert not (out / "reports" / "bob.html").exists()
        assert not (out / "faults").exists()
        assert "bob" not in (out / "index.html").read_text("utf-8")
    aside = sorted(path.relative_to(out / "removed") for path in (out / "removed").rglob("*.*"))
    assert len({path.parts[0] for path in aside}) == 2
    kept = sorted("/".join(path.parts[1:]) for path in aside if len(path.parts) == 3)
    twice = [name for kind in ("evidence/bob.json", "grades/bob.json") for name in (kind, kind)]
    assert kept == sorted(["faults/bob.txt", *twice, *["reports/bob.html"] * 2])
    removed = (out / "removed").glob("*/grades/bob.json")
    found = [json.loads(path.read_bytes()) for path in removed]
    assert {grade["status"] for grade in found} == {"grader_fault", "graded"}


def test_leftovers_of_a_killed_batch_are_removed(
    batch, folder: Path, out: Path, toys: Grader
) -> None:
    toy.submit(folder, "ada", "ok")
    batch()
    (out / "grades" / ".ada.json.1234.tmp").write_bytes(b"{")
    dead = Path(toys.environment["TMPDIR"]) / "grader-batch-dead" / "worker-1" / "tmp"
    dead.mkdir(parents=True)
    (dead.parent.parent / ".lock").touch()
    batch()
    assert not list(out.rglob("*.tmp"))
    assert not dead.parent.parent.exists()


# Whose it is -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_second_batch_on_one_folder_is_told_who_holds_it(
    batch, start: Start, folder: Path, out: Path, tmp_path: Path
) -> None:
    toy.submit(folder, "ada", f"wait {tmp_path / 'at'} {tmp_path / 'go'}")
    first = start("batch", "toy", folder, "--out", out, "--trust")
    deadline = time.monotonic() + 300
    while not (tmp_path / "at").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second = batch()
    assert second.returncode == 2
    assert f"process {first.pid} on" in second.stderr
    (tmp_path / "go").touch()
    assert first.wait(300) == 0
    assert batch().returncode == 0

    first = start("batch", "toy", folder, "--out", out, "--trust", "--seed", "new")
    first.send_signal(signal.SIGKILL)  # what a dead batch held is free
    first.wait(300)
    assert batch().returncode == 0


def test_results_of_another_lesson_or_class_are_not_mixed(
    batch, toys: Grader, folder: Path, out: Path, tmp_path: Path, toy_course: Path
) -> None:
    toy.submit(folder, "ada", "ok")
    batch()
    before = written(out)
    other = tmp_path / "other"
    toy.submit(other, "bob", "ok")
    refused = toys("batch", "toy", other, "--out", out, "--trust")
    assert refused.returncode == 2
    assert str(folder) in refused.stderr
    assert "--force" in refused.stderr
    assert written(out) == before

    course = Path(shutil.copytree(toy_course, tmp_path / "course"))
    lesson = course / "assignments" / "toy"
    lesson.rename(lesson.with_name("second"))
    spec = lesson.with_name("second") / "lesson.toml"
    spec.write_text(spec.read_text("utf-8").replace('name = "toy"', 'name = "second"'))
    for more in ((), ("--force",)):
        own = {"GRADER_COURSE": str(course)}
        refused = toys("batch", "second", folder, "--out", out, "--trust", *more, **own)
        assert refused.returncode == 2
        assert "holds grades of the lesson toy, not second" in refused.stderr
        assert written(out) == before

    assert toys("batch", "toy", other, "--out", out, "--trust", "--force").returncode == 0
    assert set(graded(out)) == {"bob"}
    assert list((out / "removed").rglob("ada.json"))


def test_class_that_was_moved_with_its_results_is_continued(toys: Grader, tmp_path: Path) -> None:
    toy.submit(tmp_path / "here" / "class", "ada", "ok")
    here, there = tmp_path / "here", tmp_path / "there"
    toys("batch", "toy", here / "class", "--out", here / "out", "--trust")
    here.rename(there)
    done = toys("batch", "toy", there / "class", "--out", there / "out", "--trust")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 are graded already" in done.stderr


def test_relative_paths_work(toys: Grader, tmp_path: Path, toy_course: Path) -> None:
    toy.submit(tmp_path / "class", "ada", "ok")
    own = {"GRADER_COURSE": os.path.relpath(toy_course, tmp_path)}
    done = toys("batch", "toy", "class", "--out", "out", "--trust", cwd=tmp_path, **own)
    assert done.returncode == 0, done.stderr
    assert set(graded(tmp_path / "out")) == {"ada"}


# A full disk -----------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    done = (
        subprocess.run(mount, capture_output=True, text=True, check=False)
        if sys.platform == "linux" and shutil.which("mount")
        else None
    )
    if done is None or done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr if done else ''}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_full_disk_gives_one_sentence_and_loses_nothing(
    toys: Grader, folder: Path, tiny_disk: Path, lang: str
) -> None:
    for number in range(60):
        toy.submit(folder, f"s{number:02}", "ok")
    out = tiny_disk / "out"
    command = ("batch", "toy", folder, "--out", out, "--trust", "--jobs", "1", "--lang", lang)
    (tiny_disk / "ballast").write_bytes(bytes(60_000))
    full = toys(*command)
    assert full.returncode == 3, full.stderr
    said = "cannot be written" if lang == "en" else "Не удаётся записать"
    assert said in full.stderr
    assert "No space left" in full.stderr
    assert "Traceback" not in full.stderr
    before = graded(out)
    assert 0 < len(before) < 60
    assert not list(out.rglob("*.tmp"))

    (tiny_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(tiny_disk)], check=True)
    done = toys(*command)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} {'of' if lang == 'en' else 'из'} 60" in done.stderr
    assert len(graded(out)) == 60
    assert {name: graded(out)[name] for name in before} == before
