"""A class of the distillation lesson: every ending has its status, nothing stops the batch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Grader

pytestmark = pytest.mark.slow

EXPECTED = {
    "reference": ("graded", "", True),
    "untouched-starter": ("rejected", "train a model and export it", False),
    "narrow-pass": ("graded", "", None),  # whether it passes on few clips is luck
    "small-misses-gate": ("graded", "", False),
    "zipped": ("graded", "", True),
    "broken-onnx": ("rejected", "", False),
    "checkpoint-pt": ("rejected", "student.pt", False),
    "empty": ("rejected", "empty folder", False),
    "nan-outputs": ("rejected", "NaN", False),
    "wrong-shape": ("rejected", "[batch, 2]", False),
}


@pytest.fixture(scope="module")
def submissions(
    small_course: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch_module: None
) -> Path:
    from grader.lesson import loading

    folder = tmp_path_factory.mktemp("class") / "submissions"
    folder.mkdir()
    lesson = loading.load("distillation")
    assert lesson.samples is not None
    lesson.samples.make(folder, lesson)
    return folder


@pytest.fixture(scope="module")
def monkeypatch_module(small_course: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_COURSE", str(small_course))
        yield


@pytest.fixture(scope="module")
def graded(grader: Grader, submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("graded") / "out"
    done = grader("batch", "--trust", "distillation", submissions, "--out", out)
    assert done.returncode == 1, done.stdout + done.stderr  # some are below the gate
    assert "Traceback" not in done.stdout + done.stderr
    return out


def read(out: Path) -> dict[str, dict]:
    found = [json.loads(path.read_bytes()) for path in (out / "grades").glob("*.json")]
    return {grade["submission"]["name"]: grade for grade in found}


def test_every_sample_gets_its_own_status_and_sentence(graded: Path) -> None:
    grades = read(graded)
    assert set(grades) == set(EXPECTED)
    for name, (status, words, _) in EXPECTED.items():
        assert grades[name]["status"] == status, grades[name]["reason"]
        assert words in grades[name]["reason"]["en"]
        if status == "rejected":
            assert grades[name]["score"] == 0
            assert grades[name]["reason"]["ru"] != grades[name]["reason"]["en"]
    reasons = [grade["reason"]["en"] for grade in grades.values() if grade["reason"]["en"]]
    assert len(set(reasons)) == len(reasons)


def test_gate_decides_the_score(graded: Path) -> None:
    for name, grade in read(graded).items():
        passed = EXPECTED[name][2]
        if grade["status"] != "graded":
            continue
        assert passed is None or grade["gate"]["passed"] is passed
        if not grade["gate"]["passed"]:
            assert grade["score"] == 0
    assert read(graded)["reference"]["score"] == 7.0
    assert read(graded)["zipped"]["score"] == 7.0


def test_pages_are_written(graded: Path) -> None:
    assert "reference" in (graded / "index.html").read_text("utf-8")
    for name in EXPECTED:
        assert (graded / "reports" / f"{name}.html").is_file()


def test_rerun_grades_only_what_has_changed(
    grader: Grader, submissions: Path, graded: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(submissions, tmp_path / "submissions"))
    out = Path(shutil.copytree(graded, tmp_path / "out"))
    before = {path.name: path.stat().st_mtime_ns for path in (out / "grades").iterdir()}
    again = grader("batch", "--trust", "distillation", folder, "--out", out, "--force")
    assert "10 of 10 are graded already" in again.stderr
    assert {p.name: p.stat().st_mtime_ns for p in (out / "grades").iterdir()} == before

    shutil.copy(folder / "reference" / "model.onnx", folder / "empty" / "model.onnx")
    changed = grader("batch", "--trust", "distillation", folder, "--out", out, "--force")
    assert "9 of 10 are graded already" in changed.stderr
    after = {path.name: path.stat().st_mtime_ns for path in (out / "grades").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"empty.json"}
    assert read(out)["empty"]["status"] == "graded"


def test_half_written_grade_is_graded_again(
    grader: Grader, submissions: Path, graded: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(graded, tmp_path / "out"))
    path = out / "grades" / "reference.json"
    path.write_bytes(path.read_bytes()[:100])
    done = grader("batch", "--trust", "distillation", submissions, "--out", out)
    assert "9 of 10 are graded already" in done.stderr
    assert read(out)["reference"]["score"] == 7.0


def test_grading_twice_gives_identical_scores(
    grader: Grader, submissions: Path, graded: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    grader("batch", "--trust", "distillation", submissions, "--out", out, "--jobs", "1")
    first, second = read(graded), read(out)
    for name in EXPECTED:
        assert first[name]["score"] == second[name]["score"]
        assert first[name]["gate"] == second[name]["gate"]


def test_report_is_drawn_again_from_grades_alone(grader: Grader, graded: Path) -> None:
    done = grader("report", graded, "--lang", "ru")
    assert done.returncode == 0, done.stderr
    assert 'lang="ru"' in (graded / "index.html").read_text("utf-8")


def test_summary_as_json(grader: Grader, submissions: Path, graded: Path) -> None:
    done = grader("batch", "--trust", "distillation", submissions, "--out", graded, "--json")
    summary = json.loads(done.stdout)
    assert {row["name"] for row in summary["submissions"]} == set(EXPECTED)


def test_module_in_the_folder_of_a_submission_is_not_imported(
    grader: Grader, submissions: Path, tmp_path: Path
) -> None:
    """An instructor who grades from inside a student's folder runs none of its code."""
    work = Path(shutil.copytree(submissions / "reference", tmp_path / "work"))
    for name in ("pickle", "numpy", "onnxruntime", "json", "sitecustomize"):
        (work / f"{name}.py").write_text("open('ran', 'w').close()\nraise ImportError\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "grader", "grade", "--trust", "distillation", "."],
        cwd=work,
        env=grader.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (work / "ran").exists()


def test_results_folder_among_the_submissions_is_not_a_submission(
    grader: Grader, submissions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    shutil.copytree(submissions / "empty", folder / "ada")
    for _ in range(2):
        grader("batch", "--trust", "distillation", folder, "--out", folder / "out")
    assert set(read(folder / "out")) == {"ada"}
    done = grader("batch", "--trust", "distillation", folder, "--out", folder)
    assert done.returncode == 2
    assert "folder of the submissions" in done.stderr


def test_damaged_grade_is_named_by_report(grader: Grader, graded: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(graded, tmp_path / "out"))
    (out / "grades" / "zipped.json").write_bytes(b"{")
    done = grader("report", out)
    assert done.returncode == 3
    assert "zipped.json" in done.stderr
    assert "reference" in (out / "index.html").read_text("utf-8")


def test_names_of_any_kind_are_graded(grader: Grader, submissions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    names = ["Анна Каренина", "a'b\"c", "<script>alert(1)<", "%2e%2e", "-rf", "名前", "x" * 200]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"cp1251 \xef\xf0\xe8"))
    for name in names:
        shutil.copytree(submissions / "empty", folder / name)
    done = grader("batch", "--trust", "distillation", folder, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(read(tmp_path / "out")) == len(names)
    assert len(list((tmp_path / "out" / "reports").glob("*.html"))) == len(names)
