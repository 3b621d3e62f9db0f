"""The commands with notebooks: a starter, a check, a grade and a batch, as people type them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest

from grader.text import notebooks
from tests.conftest import Grader
from tests.notebooks.test_lessons import LESSONS
from tests.notebooks.writing import notebook, written


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_a_starter_is_a_notebook_that_runs(
    grader: Grader, tmp_path: Path, lesson: str, lang: str
) -> None:
    folder = tmp_path / "hw"
    created = grader("new", lesson, folder, "--notebook", "--lang", lang)
    assert created.returncode == 0, created.stderr
    assert "submission.ipynb" in created.stdout
    raw = (folder / notebooks.FILE).read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(raw, as_version=4))
    plain = tmp_path / "plain"
    assert grader("new", lesson, plain).returncode == 0
    cells = [cell for cell in notebooks.read(raw.encode()).cells if cell.runs]
    for cell in cells:  # what %%writefile does, by hand
        head, _, text = cell.source.partition("\n")
        if head.startswith("%%writefile "):
            path = folder / head.removeprefix("%%writefile ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
    (folder / notebooks.FILE).unlink()
    assert contents(folder) == contents(plain)


@pytest.mark.slow
def test_check_runs_the_notebook_of_a_starter(grader: Grader, tmp_path: Path) -> None:
    folder = tmp_path / "hw"
    assert grader("new", "profiling", folder, "--notebook").returncode == 0
    before = contents(folder)
    checked = grader("check", folder, "--json")
    grade = json.loads(checked.stdout)
    assert grade["status"] == "graded", grade["reason"]
    after = contents(folder)
    kept = {name for name in after if name.startswith(".grader/")} | {"grade.json"}
    assert {name: raw for name, raw in after.items() if name not in kept} == before


@pytest.mark.slow
def test_a_batch_keeps_executed_copies(grader: Grader, small_course: Path, tmp_path: Path) -> None:
    reference = small_course / "reference_solutions" / "distillation"
    classroom, out = tmp_path / "class", tmp_path / "out"
    for name in ("good", "broken"):
        (classroom / name).mkdir(parents=True)
        for file in ("model.onnx", "experiments.csv"):
            shutil.copy(reference / file, classroom / name)
    (classroom / "good" / notebooks.FILE).write_bytes(notebook("print('привет')"))
    (classroom / "broken" / notebooks.FILE).write_bytes(notebook("print('hi')", "1 / 0"))
    (classroom / "Иванов Пётр.ipynb").write_bytes(notebook(written("notes.txt", "no model")))
    batch = ("batch", "distillation", classroom, "--out", out, "--trust", "--lang", "ru")
    done = grader(*batch)
    assert done.returncode in (1, 3), done.stderr
    grades = {p.stem: json.loads(p.read_bytes()) for p in (out / "grades").glob("*.json")}
    assert grades["good"]["status"] == "graded"
    assert "ячейка [2] (`1 / 0`): ZeroDivisionError" in grades["broken"]["reason"]["ru"]
    assert "ZeroDivisionError" in grades["broken"]["log"]
    assert "there is no model.onnx in its folder" in grades["Иванов Пётр"]["reason"]["en"]
    copies = {path.stem: path.read_text(encoding="utf-8") for path in (out / "notebooks").iterdir()}
    assert sorted(copies) == ["broken", "good", "Иванов Пётр"]
    assert "привет" in copies["good"]
    assert "ZeroDivisionError" in copies["broken"]

    # Nothing changed: nothing is run again. Then one is taken back, and its copy with it.
    assert "3 из 3" in grader(*batch).stderr
    shutil.rmtree(classroom / "broken")
    grader(*batch)
    assert not (out / "notebooks" / "broken.ipynb").exists()
    assert list((out / "removed").glob("*/notebooks/broken.ipynb"))


@pytest.mark.slow
def test_grade_writes_the_executed_copy(grader: Grader, tmp_path: Path) -> None:
    path, copy = tmp_path / "ivanov.ipynb", tmp_path / "copy.ipynb"
    path.write_bytes(notebook("print('seen')"))
    done = grader("grade", "distillation", path, "--executed", copy, "--trust")
    assert done.returncode == 1, done.stderr
    assert "there is no model.onnx" in done.stdout
    assert "seen" in copy.read_text(encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
