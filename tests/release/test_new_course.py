"""`grader new-course`: a course of one's own that works at once, and is the one of the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Grader

BLOCK = re.compile(r"^`(?P<path>[\w/.]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def course(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "my course"
    done = grader("new-course", folder)
    assert done.returncode == 0, done.stderr
    assert str(folder) in done.stdout
    return folder


def test_the_course_is_the_worked_example_of_the_docs(course: Path, repository: Path) -> None:
    page = (repository / "docs" / "new-lesson.md").read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) == 4
    for block in blocks:
        assert (course / block["path"]).read_text(encoding="utf-8") == block["text"]


def test_a_student_works_in_it_and_the_reference_gets_all_points(
    grader: Grader, course: Path, tmp_path: Path
) -> None:
    own = {"GRADER_COURSE": str(course)}
    listed = grader("lessons", **own).stdout
    assert "rank_one" in listed
    assert "distillation" not in listed
    solved = grader("reference", "rank_one", **own)
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert "5.000 / 5" in solved.stdout

    project = tmp_path / "hw"
    assert grader("new", "rank_one", project, **own).returncode == 0
    assert "{{" not in (project / "README.ru.md").read_text("utf-8")
    assert grader.python("export.py", cwd=project).returncode == 0
    checked = grader("check", cwd=project, **own)
    assert "1.250 / 5" in checked.stdout
    tested = grader.python("-m", "pytest", "-q", cwd=project, **own)
    assert tested.returncode == 0, tested.stdout


def test_its_reference_is_what_its_script_makes(
    grader: Grader, course: Path, repository: Path, tmp_path: Path
) -> None:
    folder = repository / "course_template" / "reference_solutions" / "rank_one"
    script = folder / "export.py"
    done = grader.python(str(script), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


@pytest.mark.slow
def test_it_is_graded_taught_and_released_like_the_built_in_one(
    grader: Grader, course: Path, tmp_path: Path
) -> None:
    own = {"GRADER_COURSE": str(course)}
    project = tmp_path / "class" / "ada"
    assert grader("new", "rank_one", project, **own).returncode == 0
    assert grader.python("export.py", cwd=project).returncode == 0
    graded = grader("batch", "rank_one", tmp_path / "class", "--out", tmp_path / "out", **own)
    assert graded.returncode == 0, graded.stderr
    for lang in ("en", "ru"):
        done = grader("handout", "rank_one", "--lang", lang, "--out", tmp_path / "pages", **own)
        assert done.returncode == 0, done.stderr
    released = grader("release", tmp_path / "released", **own)
    assert released.returncode == 0, released.stderr
    exported = grader("export", "gradescope", "rank_one", "--out", tmp_path / "a.zip", **own)
    assert exported.returncode == 0, exported.stderr


def test_a_folder_with_something_in_it_is_left_alone(grader: Grader, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = grader("new-course", tmp_path)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
