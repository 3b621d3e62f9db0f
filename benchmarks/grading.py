"""What grading costs, against a floor in the same run.

    python benchmarks/grading.py [--submissions N] [--json] [--write-docs]

The floor is a warm process that loads the same ONNX file and evaluates it once on the same
clips, one at a time, one thread. Both do the distillation lesson's reference on the
demonstration's hidden set. CPU seconds include children. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from docs import table, write_between
from grader import batch, grading
from grader import lesson as lessons
from grader.intake import Candidate


@dataclass(frozen=True)
class Result:
    submissions: int
    floor_cpu_seconds: float
    """Load and evaluate once, warm."""
    batch_cpu_seconds: float
    """A submission in a batch, with counting, intervals, limits and JSON."""
    one_worker_seconds: float
    two_workers_seconds: float
    help_seconds: float
    python_seconds: float
    """`python -c pass`, the floor of any command."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.submissions)
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
        return
    text = as_table(result)
    print(text)
    if arguments.write_docs:
        write_between(Path(__file__).parent.parent / "README.md", "grading", text)


def measure(count: int) -> Result:
    lesson = lessons.load("distillation")
    examination = grading.prepare(lesson, "hidden", seed="demo")
    model = lesson.reference / "model.onnx"
    floor = _floor(model, examination.exam.features)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        candidates = [_submission(Path(folder), lesson.reference, n) for n in range(count)]
        cpu_before = _cpu()
        one = _batch(examination, candidates, 1)
        cpu = _cpu() - cpu_before
        two = _batch(examination, candidates, 2)
    return Result(
        submissions=count,
        floor_cpu_seconds=floor,
        batch_cpu_seconds=cpu / count,
        one_worker_seconds=one,
        two_workers_seconds=two,
        help_seconds=_command("-m", "grader", "--help"),
        python_seconds=_command("-c", "pass"),
    )


def as_table(result: Result) -> str:
    cost = result.batch_cpu_seconds / result.floor_cpu_seconds
    scaling = result.one_worker_seconds / result.two_workers_seconds
    start = result.help_seconds / result.python_seconds
    return table(
        ("what", "measured", "against", "ratio"),
        [
            (
                f"CPU of one submission in a batch of {result.submissions}",
                f"{result.batch_cpu_seconds:.2f} s",
                f"load and evaluate once, warm: {result.floor_cpu_seconds:.2f} s",
                f"{cost:.2f}",
            ),
            (
                "wall time with two workers",
                f"{result.two_workers_seconds:.1f} s",
                f"one worker: {result.one_worker_seconds:.1f} s",
                f"{scaling:.2f}× faster",
            ),
            (
                "`grader --help`",
                f"{result.help_seconds:.3f} s",
                f"`python -c pass`: {result.python_seconds:.3f} s",
                f"{start:.1f}",
            ),
        ],
    )


def _floor(model: Path, features: Path) -> float:
    """CPU seconds of loading and evaluating in this process, the median of five."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    inputs = np.load(features, mmap_mode="r")
    seconds = []
    for _ in range(6):
        started = time.process_time()
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for clip in inputs:
            session.run(None, {"features": clip[None]})
        seconds.append(time.process_time() - started)
    return median(seconds[1:])


def _batch(examination: grading.Examination, candidates: list[Candidate], jobs: int) -> float:
    started = time.perf_counter()
    batch.run(examination, candidates, jobs=jobs, on_grade=_require_graded)
    return time.perf_counter() - started


def _require_graded(outcome: batch.Outcome) -> None:
    assert outcome.grade.status == "graded", outcome


def _cpu() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _submission(folder: Path, reference: Path, number: int) -> Candidate:
    path = folder / f"s{number}"
    path.mkdir()
    for name in ("model.onnx", "experiments.csv"):
        shutil.copy(reference / name, path)
    return Candidate(path.name, path)


def _command(*arguments: str) -> float:
    seconds = []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - started)
    return median(seconds)


if __name__ == "__main__":
    main()
