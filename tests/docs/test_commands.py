"""Every shell block of the documentation is run, page by page, from top to bottom.

A page's blocks run one after another in one shell, in a folder that has what the page takes for
granted (`SCENES`); each section (`## ...`) starts in that folder again. A command may end with 0
or 1: 1 is a verdict on somebody's work.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Grader
from tests.docs import pages

REPOSITORY = Path(__file__).resolve().parents[2]
SOLVED = REPOSITORY / "reference_solutions"
PAGES = [
    page
    for page in pages.pages(REPOSITORY)
    if any(fence.why is None for fence in pages.shell(page))
]
PREAMBLE = r"""
grader() {
  "$PYTHON" -m grader "$@" </dev/null
  local code=$?
  printf '%s\tgrader %s\n' "$code" "$*" >>"$LOG"
  [ "$code" -le 1 ]
}
pytest() { "$PYTHON" -m pytest -q "$@" </dev/null; [ $? -le 1 ]; }
python() { "$PYTHON" "$@"; }
trap 'echo "$BASH_COMMAND" >>"$FAILED"' ERR
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None, reason="the blocks are written for bash"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, grader: Grader, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    SCENES.get(page.name, nothing)(place, grader)
    blocks = [fence for fence in pages.shell(page) if fence.why is None]
    script = tmp_path / "page.sh"
    lines = [
        PREAMBLE,
        *(f'cd "$PLACE"\n{block.text}' if block.first else block.text for block in blocks),
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    log, failed = tmp_path / "log", tmp_path / "failed"
    own = {"PLACE": str(place), "LOG": str(log), "FAILED": str(failed)}
    own |= {"PYTHON": sys.executable, "EDITOR": "true"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", str(script)],
        cwd=place,
        env=grader.environment | own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1_500,
        check=False,
    )
    said = f"{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
    logged = log.read_text("utf-8").splitlines() if log.exists() else []
    ran = [line.split("\t", 1) for line in logged]
    bad = [command for code, command in ran if code not in ("0", "1")]
    assert not bad, f"{bad}\n{said}"
    assert not failed.exists(), f"{failed.read_text('utf-8')}\n{said}"
    assert len(ran) == sum(len(block.commands) for block in blocks), said


def nothing(place: Path, grader: Grader) -> None:
    """The page brings what it needs."""


def a_class(place: Path, grader: Grader) -> None:
    """submissions/ with a good one and an untouched one."""
    copy("distillation", place / "submissions" / "ada")
    assert grader("new", "distillation", place / "submissions" / "boris").returncode == 0


def a_class_to_judge(place: Path, grader: Grader) -> None:
    copy("profiling", place / "submissions" / "ivanov")


def models(place: Path, grader: Grader) -> None:
    shutil.copy(SOLVED / "distillation" / "model.onnx", place / "model.onnx")
    shutil.copy(SOLVED / "pruning_arduino" / "model.npz", place / "model.npz")
    shutil.copy(SOLVED / "quantization" / "student.onnx", place / "post.onnx")


def firmware(place: Path, grader: Grader) -> None:
    shutil.copytree(SOLVED / "pruning_arduino" / "firmware", place / "firmware")


def a_course(place: Path, grader: Grader) -> None:
    """The page's own course.toml and roster.csv, and what Moodle gives for such a class."""
    found = pages.fences(REPOSITORY / "docs" / "semester.md")
    for kind, name in (("toml", "course.toml"), ("csv", "roster.csv")):
        (text,) = (fence.text for fence in found if fence.kind == kind)
        (place / name).write_text(text, encoding="utf-8")
    a_class(place, grader)
    with zipfile.ZipFile(place / "moodle-distillation.zip", "w") as archive:
        for folder, student in (("ada", "Ada Lovelace_1001"), ("boris", "Boris Petrov_1002")):
            inside = f"{student}_assignsubmission_file/work.zip"
            packed = shutil.make_archive(
                str(place / folder), "zip", place / "submissions", base_dir=folder
            )
            archive.write(packed, inside)


def copy(lesson: str, target: Path) -> None:
    """The reference solution, as a student would hand it in."""
    left_out = shutil.ignore_patterns("__pycache__", "seeds", "fsdd")
    shutil.copytree(SOLVED / lesson, target, ignore=left_out)


SCENES: dict[str, Callable[[Path, Grader], None]] = {
    "README.md": a_class,
    "instructors.md": a_class,
    "semester.md": a_course,
    "rubric.md": a_class_to_judge,
    "platforms.md": models,
    "real-board.md": firmware,
}
