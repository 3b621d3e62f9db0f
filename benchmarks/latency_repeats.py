"""Whether the same submission gets the same speed-up again, on an idle and on a busy machine.

    python benchmarks/latency_repeats.py [--baseline FILE] [--models FILE ...] [--repeats N]
                                         [--vocabulary N] [--json]

Times the models against the baseline as a grade does (`grader.measure.latency`), N times with
nothing else to do and N times while every other core copies arrays that no cache holds. For each
way of making one number of the timings it prints the ratio, and how far apart the greatest and
the smallest of all runs are: as a factor, and as points of a score. Without files the models are
those of the quantization lesson's reference, and the last table says what the lesson's formula
makes of every run. Posts are random ids of random lengths: what is in them does not change the
time. The baseline is among the models once more, so that the truth, 1, is known for one row.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from grader.handout.figures import table
from grader.lesson import formula, loading
from grader.lesson.spec import RunLimits
from grader.measure.latency import pace_of_baseline, run_calmly, typical_seconds
from grader.sandbox.runners.sequences import BASELINE, SequenceJob, SequenceRun, Timing

LESSON = "quantization"
REFERENCE = Path("reference_solutions") / LESSON
NAMES = ("teacher_ptq.onnx", "student.onnx", "student_ptq.onnx")
POSTS = 256
LENGTHS = (4, 40)
LIMITS = RunLimits(wall_seconds=900, cpu_seconds=900)
FULL = 50.0
"""The ratio that gets all points."""
ALLOWED = 0.05
"""Points by which two grades of one submission may differ."""
BUSY = """
import numpy
a, b = numpy.ones(8_000_000), numpy.ones(8_000_000)
while True:
    numpy.copyto(a, b)
    numpy.multiply(a, 1.0001, out=b)
"""


@dataclass(frozen=True)
class Row:
    """One model, batch size and way of making one number, over all runs."""

    model: str
    batch: int
    how: str
    idle: list[float]
    loaded: list[float]

    @property
    def every(self) -> list[float]:
        return [*self.idle, *self.loaded]

    @property
    def spread(self) -> float:
        return max(self.every) / min(self.every)

    def points_apart(self, logarithmic: bool) -> float:
        """Greatest difference in points out of 3.5."""
        points = [_points(ratio, logarithmic) for ratio in self.every]
        return max(points) - min(points)


def main() -> int:
    options = _options()
    baseline = options.baseline or REFERENCE / "teacher.onnx"
    files = options.models or [REFERENCE / name for name in NAMES]
    models = {path.stem: path.read_bytes() for path in files}
    models[f"{baseline.stem} again"] = baseline.read_bytes()
    job = _job(models, baseline.read_bytes(), options.vocabulary)
    pace = pace_of_baseline(job, LIMITS)
    idle = [run_calmly(job, LIMITS, pace) for _ in range(options.repeats)]
    with _busy_cores(max((os.cpu_count() or 2) - 1, 1)):
        loaded = [run_calmly(job, LIMITS, pace) for _ in range(options.repeats)]
    rows = [
        Row(
            name,
            batch,
            how,
            [_ratio(run, name, batch, how) for run in idle],
            [_ratio(run, name, batch, how) for run in loaded],
        )
        for name in models
        for batch in (1, job.batch)
        for how in STATISTICS
    ]
    print(json.dumps([asdict(row) for row in rows]) if options.json else _markdown(rows))
    if options.models or options.baseline:
        return 0
    scores = {how: [_score(run, how, job.batch) for run in (*idle, *loaded)] for how in STATISTICS}
    print(_scores(scores), file=sys.stderr if options.json else sys.stdout)
    return int(max(scores[OURS]) - min(scores[OURS]) > ALLOWED)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--models", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--vocabulary", type=int, default=1000, help="ids are below it")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _job(models: dict[str, bytes], baseline: bytes, vocabulary: int) -> SequenceJob:
    rng = np.random.default_rng(0)
    ids = [rng.integers(1, vocabulary, rng.integers(*LENGTHS)) for _ in range(POSTS)]
    return SequenceJob(models, dict.fromkeys(models, ids), 5, baseline=baseline, baseline_ids=ids)


@contextlib.contextmanager
def _busy_cores(count: int) -> Iterator[None]:
    """Processes that keep `count` cores and the memory busy."""
    command = [sys.executable, "-c", BUSY]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [subprocess.Popen(command, env=environment) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


# From timings to one number ----------------------------------------------------------------

OURS = "lower quartile of pieces"


def _ours(timing: Timing) -> float:
    return typical_seconds(timing.seconds, timing.posts)


STATISTICS = {
    OURS: lambda baseline, model: _ours(baseline) / _ours(model),
    "median of pieces": lambda baseline, model: _pieces(baseline, 0.5) / _pieces(model, 0.5),
    "fastest of pieces": lambda baseline, model: _pieces(baseline, 0.0) / _pieces(model, 0.0),
    "median of ratios of rounds": lambda baseline, model: float(
        np.median(baseline.per_post / model.per_post)
    ),
    "ratio of means": lambda baseline, model: baseline.per_post.mean() / model.per_post.mean(),
}


def _pieces(timing: Timing, quantile: float) -> float:
    return float(np.quantile(timing.seconds, quantile, axis=0).sum()) / timing.posts


def _ratio(run: SequenceRun, name: str, batch: int, how: str) -> float:
    timings = run.single if batch == 1 else run.batched
    return float(STATISTICS[how](timings[BASELINE], timings[name]))


def _points(ratio: float, logarithmic: bool) -> float:
    share = math.log(max(ratio, 1.0)) / math.log(FULL) if logarithmic else ratio / FULL
    return 3.5 * min(share, 1.0)


def _score(run: SequenceRun, how: str, batch: int) -> float:
    """Points of the lesson's formula with the bytes of the reference and the time of this run."""
    ratios = {
        name: math.sqrt(_ratio(run, name, 1, how) * _ratio(run, name, batch, how))
        for name in ("teacher_ptq", "student_ptq")
    }
    with (REFERENCE / "table.csv").open(encoding="utf-8", newline="") as file:
        sizes = {row["name"]: float(row["bytes"]) for row in csv.DictReader(file)}
    values = {
        "compression": sizes["teacher"] / sizes["student_ptq"],
        "speedup": ratios["student_ptq"],
        "ptq_compression": sizes["teacher"] / sizes["teacher_ptq"],
        "ptq_speedup": ratios["teacher_ptq"],
        "ptq_passes": 1.0,
    }
    return sum(formula.evaluate(one.formula, values) for one in loading.load(LESSON).spec.terms)


def _scores(scores: dict[str, list[float]]) -> str:
    rows = [
        [how, f"{np.median(found):.3f}", f"{max(found) - min(found):.3f}", f"{ALLOWED}"]
        for how, found in scores.items()
    ]
    return table(["how", "score, median", "points apart", "allowed"], rows)


def _markdown(rows: list[Row]) -> str:
    heading = [
        *("model, batch, how", "idle", "loaded", "greatest / smallest"),
        *("points apart, logarithmic", "points apart, linear"),
    ]
    return table(
        heading,
        [
            [
                f"{row.model}, {row.batch}, {row.how}",
                f"{np.median(row.idle):.2f}",
                f"{np.median(row.loaded):.2f}",
                f"{row.spread:.3f}",
                f"{row.points_apart(True):.3f}",
                f"{row.points_apart(False):.3f}",
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
