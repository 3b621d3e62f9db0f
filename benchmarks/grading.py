"""What grading costs, against a floor in the same run.

    python benchmarks/grading.py [--submissions N] [--thousand] [--json] [--write-docs]

Both the floor and the grader do the distillation lesson's reference on the demonstration's
hidden set. The floor is a warm process that loads the same ONNX file and evaluates it once on
the same clips, one at a time, one thread. CPU seconds include every process that took part.
`--thousand` also grades 1,000 submissions on few clips and looks at the memory of all
processes. About three minutes, and as much again for the thousand.
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
from statistics import median

import numpy as np
import psutil
from onnx import TensorProto, helper
from small import small_course

from grader import batch, grading
from grader.handout.figures import table, write_between
from grader.intake import Candidate
from grader.lesson import loading
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation import levels
from grader.sandbox.runners.rows import Job, run_onnx

FEW = 5
"""Submissions before the first that counts: starting workers is not what one more costs."""
ROUNDS = 3
"""Of one more submission against the floor; the one with the middle ratio is reported."""


@dataclass(frozen=True)
class Result:
    isolation: str
    """Level of isolation."""
    submissions: int
    floor_cpu_seconds: float
    """Load and evaluate once, warm."""
    batch_cpu_seconds: float
    """One more submission in a batch, with counting, intervals, limits and JSON."""
    sandbox_cpu_seconds: float
    """A model of one Identity on one row: what a run costs before it does anything."""
    one_worker_seconds: float
    two_workers_seconds: float
    help_seconds: float
    python_seconds: float
    """`python -c pass`, the floor of any command."""
    memory_after_100_bytes: int = 0
    memory_after_1000_bytes: int = 0
    """Unshared memory of all processes of a batch with two workers."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=30)
    parser.add_argument("--thousand", action="store_true")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(json.dumps(memory_of(arguments.memory_of)))
        return
    result = measure(arguments.submissions, thousand=arguments.thousand)
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
        return
    text = as_table(result)
    print(text)
    if arguments.write_docs:
        write_between(Path(__file__).parent.parent / "README.md", "grading", text)


def measure(count: int, *, thousand: bool) -> Result:
    lesson = loading.load("distillation")
    examination = grading.prepare(lesson, "hidden", seed="demo")
    model = lesson.reference / "model.onnx"
    features = examination.exam.features.path  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        candidates = [_submission(folder, lesson.reference, n) for n in range(count + FEW)]
        rounds = [_round(examination, candidates, model, features) for _ in range(ROUNDS)]
        more, floor = sorted(rounds, key=lambda costs: costs[0] / costs[1])[ROUNDS // 2]
        # In turn, the better of two each: other work on the machine only ever slows down.
        walls = [(_batch(examination, candidates, n), n) for n in (1, 2, 1, 2)]
        one, two = (min(wall for wall, jobs in walls if jobs == n) for n in (1, 2))
        small, large = _memory(folder) if thousand else (0, 0)
    return Result(
        isolation=levels.current_level().level,
        submissions=count,
        floor_cpu_seconds=floor,
        batch_cpu_seconds=more,
        sandbox_cpu_seconds=_empty_run(),
        one_worker_seconds=one,
        two_workers_seconds=two,
        help_seconds=_command("-m", "grader", "--help"),
        python_seconds=_command("-c", "pass"),
        memory_after_100_bytes=small,
        memory_after_1000_bytes=large,
    )


def as_table(result: Result) -> str:
    cost = result.batch_cpu_seconds / result.floor_cpu_seconds
    scaling = result.one_worker_seconds / result.two_workers_seconds
    start = result.help_seconds / result.python_seconds
    rows = [
        (
            f"CPU of one more submission in a batch (level {result.isolation})",
            f"{result.batch_cpu_seconds:.3f} s",
            f"load and evaluate once, warm: {result.floor_cpu_seconds:.3f} s",
            f"{cost:.2f}",
        ),
        (
            "CPU of a sandboxed run that does nothing",
            f"{1e3 * result.sandbox_cpu_seconds:.1f} ms",
            f"the same floor: {1e3 * result.floor_cpu_seconds:.0f} ms",
            f"{result.sandbox_cpu_seconds / result.floor_cpu_seconds:.3f}",
        ),
        (
            f"{result.submissions + FEW} submissions, two workers",
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
    ]
    if result.memory_after_1000_bytes:
        growth = result.memory_after_1000_bytes / result.memory_after_100_bytes
        rows.append(
            (
                "memory of all processes after 1,000 submissions",
                f"{result.memory_after_1000_bytes / 2**20:.0f} MiB",
                f"after 100: {result.memory_after_100_bytes / 2**20:.0f} MiB",
                f"{growth:.2f}",
            )
        )
    return table(("what", "measured", "against", "ratio"), rows)


def _round(
    examination: grading.Examination, candidates: list[Candidate], model: Path, features: Path
) -> tuple[float, float]:
    """CPU seconds of one more submission, and of the floor before and after it: other work on the
    machine slows both down."""
    before = _floor(model, features)
    more = _cpu_of_one_more(examination, candidates)
    return more, median([*before, *_floor(model, features)])


def _floor(model: Path, features: Path) -> list[float]:
    """CPU seconds of loading and evaluating in this process, five times."""
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
    return seconds[1:]


def _batch(examination: grading.Examination, candidates: list[Candidate], jobs: int) -> float:
    started = time.perf_counter()
    batch.run(examination, candidates, jobs=jobs, on_grade=_require_graded)
    return time.perf_counter() - started


def _require_graded(outcome: batch.Outcome) -> None:
    assert outcome.grade.status == "graded", outcome


def _cpu() -> float:
    """CPU seconds so far of this process, of all below it, and of those that they waited for."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def _cpu_of_one_more(examination: grading.Examination, candidates: list[Candidate]) -> float:
    """CPU seconds of a submission in a batch, from the one after `FEW` to the last but one: after
    the last, processes end, and what they used is no longer to be seen."""
    last = len(candidates) - 1
    marks: dict[int, float] = {}
    done = 0

    def note(outcome: batch.Outcome) -> None:
        nonlocal done
        _require_graded(outcome)
        done += 1
        if done in (FEW, last):  # looking at all processes costs something itself
            marks[done] = _cpu()

    batch.run(examination, candidates, jobs=1, on_grade=note)
    return (marks[last] - marks[FEW]) / (last - FEW)


def _empty_run() -> float:
    """CPU seconds of a run around a model that does nothing, here and in the sandbox."""
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("x", "y")
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", *map(_only, ports))
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npy"
        np.save(inputs, np.zeros((1, 1), dtype=np.float32))
        job = Job(model, inputs, (1,))

        for _ in range(FEW):
            run_onnx(job, RunLimits())
        before = _cpu()
        for _ in range(100):
            run_onnx(job, RunLimits())
        return (_cpu() - before) / 100


def _only(port: object) -> list[object]:
    return [port]


def _memory(folder: Path) -> tuple[int, int]:
    """Unshared bytes of all processes after 100 and after 1,000 submissions, in a process of its
    own that has the course with few clips."""
    course = small_course(folder / "course")
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", "1000"],
        env=os.environ | {"GRADER_COURSE": str(course)},
        stdout=subprocess.PIPE,
        check=True,
    )
    small, large = json.loads(done.stdout)
    return small, large


def memory_of(count: int) -> tuple[int, int]:
    """Unshared bytes of all processes after a tenth of `count` submissions, and near the end."""
    lesson = loading.load("distillation")
    found: dict[int, int] = {}
    done = 0

    def note(outcome: batch.Outcome) -> None:
        nonlocal done
        _require_graded(outcome)
        done += 1
        if done in (count // 10, count - 10):  # at the very end processes are gone
            found[done] = _unshared()

    with tempfile.TemporaryDirectory() as name:
        candidates = [_submission(Path(name), lesson.reference, n) for n in range(count)]
        examination = grading.prepare(lesson, "hidden", seed="demo")
        batch.run(examination, candidates, jobs=2, on_grade=note)
    return found[count // 10], found[count - 10]


def _unshared() -> int:
    total = 0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_full_info().uss
        except psutil.Error:
            continue
    return total


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
