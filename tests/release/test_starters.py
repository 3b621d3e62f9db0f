"""Starters are cut from reference solutions at marked regions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader.handout.starter import files as project_files
from grader.lesson import loading
from grader.release import starters
from grader.text.errors import SpecError
from tests.conftest import Grader

MARKED = '''\
"""Adds."""

# BEGIN SOLUTION
import operator


# STARTER
# import math
# END SOLUTION


def add(a, b):
    """The sum."""
    total = 0  # SOLUTION
    if a:
        # BEGIN SOLUTION
        return operator.add(a, b)
        # STARTER
        # # TODO: add them.
        # for _ in ():
        #     pass
        # raise NotImplementedError(math.pi)
        # END SOLUTION
    return b


# BEGIN SOLUTION
def helper():
    return 1


# END SOLUTION
def last():
    return 0
'''
STARTER = '''\
"""Adds."""

import math


def add(a, b):
    """The sum."""
    if a:
        # TODO: add them.
        for _ in ():
            pass
        raise NotImplementedError(math.pi)
    return b


def last():
    return 0
'''
SOLUTION = '''\
"""Adds."""

import operator


def add(a, b):
    """The sum."""
    total = 0
    if a:
        return operator.add(a, b)
    return b


def helper():
    return 1


def last():
    return 0
'''


def test_a_region_has_two_sides() -> None:
    path = Path("add.py")
    assert starters.starter_text(MARKED, path) == STARTER
    assert starters.solution_text(MARKED, path) == SOLUTION


def test_c_has_marks_of_its_own() -> None:
    marked = "int f(void)\n{\n    // BEGIN SOLUTION\n    return 1;\n    // STARTER\n"
    marked += "    // return 0; /* TODO */\n    // END SOLUTION\n}\n"
    path = Path("f.c")
    assert starters.starter_text(marked, path) == "int f(void)\n{\n    return 0; /* TODO */\n}\n"
    assert starters.solution_text(marked, path) == "int f(void)\n{\n    return 1;\n}\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("x = 1\n# BEGIN SOLUTION\nx = 2\n", 2, "BEGIN SOLUTION without END SOLUTION"),
        ("# BEGIN SOLUTION\n# STARTER\n# x = 2\n", 1, "BEGIN SOLUTION without END SOLUTION"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n", 2, "in the region of line 1, expected STARTER"),
        ("# BEGIN SOLUTION\n# STARTER\n# STARTER\n", 3, "expected END SOLUTION"),
        ("x = 1\n# END SOLUTION\n", 2, "outside of a region, expected BEGIN SOLUTION"),
        ("# STARTER\n", 1, "outside of a region"),
        ("# BEGIN SOLUTION\n# STARTER\nx = 2\n# END SOLUTION\n", 3, "expected a comment"),
        ("x = 1\n#BEGIN SOLUTION\n", 2, "is no marker"),
        ("### BEGIN SOLUTIONS\n", 1, "is no marker"),
    ],
)
def test_a_malformed_marker_is_one_sentence_with_file_and_line(
    text: str, line: int, said: str
) -> None:
    path = Path("lesson/model.py")
    for side in (starters.starter_text, starters.solution_text):
        with pytest.raises(SpecError) as caught:
            side(text, path)
        message = str(caught.value)
        assert message.startswith(f"{path}:{line}: ")
        assert said in message
        assert message.endswith(".")
        assert "\n" not in message


@pytest.mark.parametrize("name", loading.names())
def test_the_starter_is_what_the_reference_gives(name: str) -> None:
    """`make starters` writes it anew."""
    lesson = loading.load(name)
    assert lesson.spec.starter.generated
    assert starters.write(lesson, check=True) == []
    for inside, content in starters.generated(lesson):
        assert b"SOLUTION" not in content, inside


@pytest.fixture
def own(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> loading.Lesson:
    """The lesson of a new course."""
    shutil.copytree(repository / "course_template", tmp_path / "course")
    monkeypatch.setenv("GRADER_COURSE", str(tmp_path / "course"))
    return loading.load("rank_one")


def test_a_starter_that_was_changed_by_hand_is_found_and_written_anew(own: loading.Lesson) -> None:
    starter = own.template / "export.py"
    committed = starter.read_bytes()
    starter.write_text("numbers = ()\n", encoding="utf-8")
    assert starters.write(own, check=True) == [starter]
    assert starters.write(own) == [starter]
    assert starter.read_bytes() == committed
    assert starters.write(own) == []


def test_a_shared_folder_stands_once_and_the_reference_has_copies(own: loading.Lesson) -> None:
    spec = own.folder / "lesson.toml"
    text = spec.read_text("utf-8").replace(
        "[starter]\n",
        """[starter]
shared = { runtime = "baseline" }
solved = ["runtime/kernel.c"]
""",
    )
    spec.write_text(text, encoding="utf-8")
    for folder in (own.folder / "baseline", own.reference / "runtime"):
        folder.mkdir()
        for name in ("main.c", "kernel.c"):
            (folder / name).write_text(f"/* {folder.name} */\n")
    lesson = loading.load(own.name)
    assert starters.write(lesson) == [own.reference / "runtime" / "main.c"]
    assert (own.reference / "runtime" / "main.c").read_text() == "/* baseline */\n"
    assert (own.reference / "runtime" / "kernel.c").read_text() == "/* runtime */\n"
    given = {str(path): content for path, content in project_files(lesson)}
    assert given["runtime/kernel.c"] == b"/* baseline */\n"


def test_every_file_of_a_starter_is_listed(own: loading.Lesson) -> None:
    """What the lists of lesson.toml lack is found in the reference and in the starter."""
    (own.template / "left_over.py").write_text("")
    with pytest.raises(SpecError, match=r"left_over\.py is neither generated nor"):
        starters.write(own, check=True)
    (own.template / "left_over.py").unlink()
    (own.reference / "export.py").unlink()
    with pytest.raises(SpecError, match=r"generates 'export\.py', but the reference has no such"):
        starters.write(own, check=True)


def test_a_project_with_the_solutions_pasted_in_gets_the_points_of_the_reference(
    grader: Grader, own: loading.Lesson, tmp_path: Path
) -> None:
    course = {"GRADER_COURSE": str(tmp_path / "course")}
    module = ("-m", "grader.release.starters")
    assert grader.python(*module, "--check", **course).returncode == 0
    project = tmp_path / "hw"
    assert grader("new", own.name, project, **course).returncode == 0
    assert grader.python(*module, "--solve", own.name, str(project), **course).returncode == 0
    assert "SOLUTION" not in (project / "export.py").read_text("utf-8")
    assert grader.python("export.py", cwd=project).returncode == 0
    assert "5.000 / 5" in grader("check", cwd=project, **course).stdout
