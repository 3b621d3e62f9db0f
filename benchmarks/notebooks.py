"""What running a notebook costs, against nbclient and nbgrader in the same run.

    python benchmarks/notebooks.py [--notebooks N] [--nbgrader PYTHON] [--json]

One trivial notebook (`import numpy`, three checks), N copies. The grader runs them in one batch of
a lesson that then only reads one file; nbclient starts a kernel for each, as it does by itself;
`nbgrader autograde` grades them in one command. CPU seconds are of one more notebook, with all
processes that took part; what is started once does not count. Of nbclient and nbgrader two counts
are measured and the difference divided. Without --nbgrader, nbgrader is installed into a temporary
environment of its own; where that fails, its row is left out. A few minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

FEW = 3
CELLS = (
    "import numpy as np",
    "%%writefile answer.txt\n3",
    "values = np.arange(3)\nassert values.sum() == 3",
    "assert values.max() == 2",
    "assert values.shape == (3,)",
)
LESSON = {
    "lesson.toml": """
schema = 1
name = "trivial"
title = "Trivial"
summary = "Reads one file."
max_score = 1.0
[intake]
artefact = "answer.txt"
[data]
names = ["none"]
[[terms]]
name = "right"
title = "Right"
formula = "right"
max_points = 1.0
[report]
rank_by = "right"
columns = [{ name = "right", title = "Right" }]
""",
    "autograder.py": """
from dataclasses import dataclass, field
from grader.lesson.contract import Findings
from grader.lesson.grades import Measurement
from grader.text import EMPTY

@dataclass(frozen=True)
class Exam:
    data_id: str = "none"
    baseline: dict = field(default_factory=dict)

def prepare(setup):
    return Exam()

def examine(exam, submission):
    right = float(submission.read("answer.txt").strip() == b"3")
    return Findings({"right": Measurement(right, "", EMPTY)}, [])
""",
}


@dataclass(frozen=True)
class Result:
    notebooks: int
    cpu_seconds: dict[str, float]
    """Of one more notebook."""
    wall_seconds: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebooks", type=int, default=20)
    parser.add_argument("--nbgrader", type=Path, help="a Python that has nbgrader")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batch-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.batch_of:
        print(json.dumps(_batch_of(arguments.batch_of)))
        return
    result = measure(arguments.notebooks, arguments.nbgrader)
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
        return
    print(f"one more notebook of {result.notebooks}:")
    for name, seconds in result.cpu_seconds.items():
        print(f"  {name:12} {seconds:6.3f} s CPU {result.wall_seconds[name]:7.3f} s wall")


def measure(notebooks: int, nbgrader: Path | None) -> Result:
    cpu: dict[str, float] = {}
    wall: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="notebooks-") as temporary:
        folder = Path(temporary)
        python = nbgrader or _install_nbgrader(folder / "venv")
        cpu["grader"], wall["grader"] = _grader(folder / "grader", notebooks)
        ways = {"nbclient": _nbclient}
        if python is not None:
            ways["nbgrader"] = lambda place, count: _nbgrader(python, place, count)
        for name, way in ways.items():
            few = way(folder / f"{name}-few", FEW)
            many = way(folder / f"{name}-many", FEW + notebooks)
            cpu[name], wall[name] = ((m - f) / notebooks for f, m in zip(few, many, strict=True))
    return Result(notebooks, cpu, wall)


def _grader(place: Path, count: int) -> tuple[float, float]:
    """CPU and wall seconds of one more submission in a batch with one worker."""
    course = place / "course" / "assignments" / "trivial"
    course.mkdir(parents=True)
    for name, text in LESSON.items():
        (course / name).write_text(text, encoding="utf-8")
    submissions = place / "submissions"
    submissions.mkdir()
    for number in range(FEW + count + 1):
        (submissions / f"{number:03d}.ipynb").write_text(_notebook(CELLS), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, __file__, "--batch-of", str(submissions)],
        env=dict(os.environ) | {"GRADER_COURSE": str(place / "course")},
        stdout=subprocess.PIPE,
        check=True,
    )
    cpu, wall = json.loads(done.stdout)
    return cpu, wall


def _batch_of(folder: Path) -> tuple[float, float]:
    """From the submission after `FEW` to the last but one: the worker's warm process is killed
    with the batch, and nobody waits for it, so that its time has to be read while it lives."""
    from grader import batch, grading, intake
    from grader.lesson import loading

    candidates, _ = intake.candidates(folder)
    examination = grading.prepare(loading.load("trivial"), "hidden", seed="benchmark")
    last = len(candidates) - 1
    marks: dict[int, tuple[float, float]] = {}
    done = 0

    def note(outcome: batch.Outcome) -> None:
        nonlocal done
        assert outcome.grade.score == 1, outcome.grade.reason
        assert outcome.notebook, "no executed copy"
        done += 1
        if done in (FEW, last):
            marks[done] = (_cpu(), time.perf_counter())

    batch.run(examination, candidates, jobs=1, on_grade=note)
    cpu, wall = ((b - a) / (last - FEW) for a, b in zip(marks[FEW], marks[last], strict=True))
    return cpu, wall


def _cpu() -> float:
    """CPU seconds so far of this process, of all below it, and of those that they waited for."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def _nbclient(place: Path, count: int) -> tuple[float, float]:
    place.mkdir()
    (place / "one.ipynb").write_text(_notebook(CELLS), encoding="utf-8")
    program = f"""
import nbformat
from nbclient import NotebookClient
for _ in range({count}):
    NotebookClient(nbformat.read("one.ipynb", as_version=4)).execute()
"""
    return _cost([sys.executable, "-c", program], place)


def _nbgrader(python: Path, place: Path, count: int) -> tuple[float, float]:
    """The same checks as autograder tests; a source notebook, as nbgrader needs one."""
    source = place / "source" / "ps1"
    source.mkdir(parents=True)
    graded = _notebook(CELLS, checks=3)
    (source / "one.ipynb").write_text(graded, encoding="utf-8")
    (place / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'course'\n", encoding="utf-8"
    )
    environment = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    nbgrader = [str(python), "-m", "nbgrader"]
    _cost([*nbgrader, "generate_assignment", "ps1"], place, environment)
    released = place / "release" / "ps1" / "one.ipynb"
    for number in range(count):
        handed_in = place / "submitted" / f"student{number:03d}" / "ps1"
        handed_in.mkdir(parents=True)
        shutil.copy(released, handed_in)
    cost = _cost([*nbgrader, "autograde", "ps1"], place, environment)
    found = len(list((place / "autograded").glob("*/ps1/one.ipynb")))
    assert found == count, f"nbgrader graded {found} of {count}"
    return cost


def _install_nbgrader(place: Path) -> Path | None:
    python = place / "bin" / "python"
    commands = (
        [sys.executable, "-m", "venv", str(place)],
        [str(python), "-m", "pip", "install", "--quiet", "nbgrader", "numpy"],
    )
    for command in commands:
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
    return python


def _notebook(cells: tuple[str, ...], checks: int = 0) -> str:
    """Code cells, the last `checks` of them as nbgrader's tests."""
    made = []
    for number, source in enumerate(cells):
        metadata: dict[str, object] = {}
        if number >= len(cells) - checks:
            metadata["nbgrader"] = {
                "grade": True,
                "grade_id": f"check-{number}",
                "locked": True,
                "points": 1,
                "schema_version": 3,
                "solution": False,
                "task": False,
                "cell_type": "code",
            }
        made.append(
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": metadata,
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
        )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}
    )


def _cost(
    command: list[str], cwd: Path, extra: dict[str, str] | None = None
) -> tuple[float, float]:
    """CPU and wall seconds of a command with all that it started, measured by a process of its
    own: the kernel adds up what has been waited for."""
    watch = (
        "import json, os, resource, subprocess, sys, time\n"
        "started = time.monotonic()\n"
        "code = subprocess.call(sys.argv[1:], stdout=sys.stderr)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([code, used.ru_utime + used.ru_stime, time.monotonic() - started]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch, *command],
        cwd=cwd,
        env=dict(os.environ) | {"OMP_NUM_THREADS": "1"} | (extra or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    code, cpu, wall = json.loads(done.stdout)
    if code != 0:
        raise SystemExit(f"{command}: code {code}\n{done.stderr[-3000:]}")
    return cpu, wall


if __name__ == "__main__":
    main()
