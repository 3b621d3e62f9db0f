"""What each way of making the models smaller gives: table.csv, and experiments.csv.

    python experiments.py --table   table.csv: bytes, time and quality of the four models
    python experiments.py           that and every row of experiments.csv

Reads what the other scripts wrote. Measured on the validation posts as the grader does: one core,
all models in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import onnx
from quantize import dynamic, float16
from tokenizers import Tokenizer
from train import SETUPS, Setup, load, parser

from grader import starter
from grader.data.text.posts import PostSet
from grader.starter import Candidate, Measured

MODELS = ("teacher", "teacher_ptq", "student", "student_ptq")
TOGETHER = 6
"""Models that are timed in turn."""


@dataclass(frozen=True)
class Trial:
    """A model to be measured, and what it is an example of."""

    name: str
    candidate: Candidate
    note: str


@dataclass(frozen=True)
class Bench:
    """Everything that is trained or read once."""

    folder: Path
    setup: Setup
    tokenizer: Tokenizer
    train: PostSet
    validation: PostSet
    seed: int

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--table", action="store_true", help="table.csv alone")
    arguments = options.parse_args()
    train, validation = load(arguments)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    setup = SETUPS[arguments.data]
    bench = Bench(arguments.out, setup, tokenizer, train, validation, arguments.seed)
    write_table(bench)
    if not arguments.table:
        write_experiments(bench, list(trials(bench)))


def write_table(bench: Bench) -> None:
    """The claims of the submission: the four models on the validation posts."""
    shared, own = bench.file("tokenizer.json"), bench.file("student_tokenizer.json")
    candidates = {
        name: Candidate(bench.file(f"{name}.onnx"), shared if "teacher" in name else own)
        for name in MODELS
    }
    columns = [field.name for field in fields(Measured) if not field.name.startswith("speedup_")]
    measured = starter.measure(candidates, bench.validation)
    rows = [row.row(*columns, "speedup") for row in measured]
    starter.write_rows(bench.folder / "table.csv", rows)


def write_experiments(bench: Bench, trials: list[Trial]) -> None:
    columns = ("name", "bytes", "accuracy", "f1_macro", "latency_ms_b1", "latency_ms_b32")
    rows: list[dict[str, object]] = []
    for start in range(0, len(trials), TOGETHER):
        some = trials[start : start + TOGETHER]
        candidates = {trial.name: trial.candidate for trial in some}
        measured = starter.measure(candidates, bench.validation, rounds=8)
        rows += (
            {**row.row(*columns), "note": trial.note}
            for trial, row in zip(some, measured, strict=True)
        )
    starter.write_rows(bench.folder / "experiments.csv", rows)


def trials(bench: Bench) -> Iterator[Trial]:
    """The models to compare."""
    # TODO: every way of quantize.py, for teacher and student; students with other vocabularies,
    # with and without a teacher, before and after training with rounding.
    model, tokenizer = onnx.load(bench.folder / "teacher.onnx"), bench.file("tokenizer.json")
    yield Trial("teacher", Candidate.of(model, tokenizer), "float32")
    yield Trial("teacher dynamic", Candidate.of(dynamic(model), tokenizer), "as out of the box")
    yield Trial("teacher float16", Candidate.of(float16(model), tokenizer), "weights alone")


if __name__ == "__main__":
    starter.run_main(main)
