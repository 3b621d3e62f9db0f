"""What each way of making the models smaller gives: table.csv, and experiments.csv.

    python experiments.py --table   table.csv: bytes, time and quality of the four models
    python experiments.py           every row of experiments.csv, as `trials` lists them

Reads what the other scripts wrote. Measured on the validation posts as the grader does: one core,
all models in turn.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import onnx
from measuring import Candidate, Measured, measure
from quantize import dynamic, float16
from train import SETUPS, Setup, load, parser

from grader.data.text.posts import PostSet
from grader.text.errors import GraderError

MODELS = ("teacher", "teacher_ptq", "student", "student_ptq")


@dataclass(frozen=True)
class Trial:
    """A model to be measured, and what it is an example of."""

    name: str
    candidate: Candidate
    note: str


@dataclass(frozen=True)
class Bench:
    """Everything that is read once."""

    folder: Path
    setup: Setup
    validation: PostSet

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--table", action="store_true", help="write table.csv and nothing else")
    arguments = options.parse_args()
    _, validation = load(arguments)
    bench = Bench(arguments.out, SETUPS[arguments.data], validation)
    if arguments.table:
        write_table(bench)
    else:
        write_experiments(bench, list(trials(bench)))


def trials(bench: Bench) -> Iterator[Trial]:
    """The models to compare.

    TODO: every way of quantize.py, for teacher and student; students with other vocabularies, with
    and without a teacher, before and after training with rounding.
    """
    model, tokenizer = onnx.load(bench.folder / "teacher.onnx"), bench.file("tokenizer.json")
    yield Trial("teacher", Candidate.of(model, tokenizer), "float32")
    yield Trial("teacher dynamic", Candidate.of(dynamic(model), tokenizer), "as out of the box")
    yield Trial("teacher float16", Candidate.of(float16(model), tokenizer), "weights alone")


def write_table(bench: Bench) -> None:
    """The claims of the submission: the four models on the validation posts."""
    shared, own = bench.file("tokenizer.json"), bench.file("student_tokenizer.json")
    candidates = {
        name: Candidate(bench.file(f"{name}.onnx"), shared if "teacher" in name else own)
        for name in MODELS
    }
    columns = [field.name for field in fields(Measured) if not field.name.startswith("speedup_")]
    with (bench.folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*columns, "speedup"])
        for row in measure(candidates, bench.validation):
            rows.writerow([_short(getattr(row, column)) for column in (*columns, "speedup")])


def write_experiments(bench: Bench, trials: list[Trial]) -> None:
    measured = measure({trial.name: trial.candidate for trial in trials}, bench.validation)
    columns = ("bytes", "accuracy", "f1_macro", "latency_ms_b1", "latency_ms_b32")
    with (bench.folder / "experiments.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", *columns, "note"])
        for trial, row in zip(trials, measured, strict=True):
            numbers = [_short(getattr(row, column)) for column in columns]
            rows.writerow([trial.name, *numbers, trial.note])


def _short(value: str | float) -> str:
    return (
        value
        if isinstance(value, str)
        else f"{value:.5g}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
