"""The worked example of docs/new-lesson.md is a lesson that works, without touching grader/."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Grader

BLOCK = re.compile(r"^`(?P<path>[\w/.]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def course(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own_course")
    page = (repository / "docs" / "new-lesson.md").read_text(encoding="utf-8")
    for block in BLOCK.finditer(page):
        path = folder / block["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"], encoding="utf-8")
    assert len(list(folder.rglob("*.*"))) == 4
    return folder


def test_lesson_of_the_page_can_be_started_solved_and_graded(
    grader: Grader, course: Path, tmp_path: Path
) -> None:
    own = {"GRADER_COURSE": str(course)}
    assert "rank_one" in grader("lessons", **own).stdout
    project = tmp_path / "hw"
    assert grader("new", "rank_one", project, **own).returncode == 0

    before = grader("check", cwd=project, **own)
    assert before.returncode == 1
    assert "Expected model.onnx" in before.stdout

    assert grader.python("export.py", cwd=project).returncode == 0
    naive = json.loads(grader("grade", "rank_one", project, "--json", **own).stdout)
    assert naive["score"] == 1.25

    solution = course / "reference_solutions" / "rank_one"
    assert grader.python("export.py", cwd=solution).returncode == 0
    solved = grader("reference", "rank_one", **own)
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert "5.000 / 5" in solved.stdout


def test_class_page_of_the_lesson_is_drawn(grader: Grader, course: Path, tmp_path: Path) -> None:
    own = {"GRADER_COURSE": str(course)}
    project = tmp_path / "class" / "ada"
    assert grader("new", "rank_one", project, **own).returncode == 0
    assert grader.python("export.py", cwd=project).returncode == 0
    done = grader("batch", "rank_one", tmp_path / "class", "--out", tmp_path / "out", **own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ada" in (tmp_path / "out" / "index.html").read_text("utf-8")
