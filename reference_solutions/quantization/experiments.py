"""What each way of making the models smaller gives: experiments.csv, and the four of table.csv.

    python experiments.py           every row of experiments.csv, measured on the validation posts
    python experiments.py --ptq     those that need no training
    python experiments.py --table   table.csv alone: bytes, time and quality of the four models

Reads what train.py and distill.py wrote. Measured as the grader does: one core, all models in turn.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import onnx
import torch
from distill import answers, load_teacher, small_tokenizer, train_student
from export import export
from losses import DEFAULT, LossWeights, distillation_loss
from measuring import Candidate, Measured, measure
from model import Convolutional, NgramConfig, StudentConfig
from onnx import ModelProto
from onnxruntime.quantization import QuantType
from qat import train_qat
from quantize import Storage, dynamic, float16, lookup, static, weight_only
from tokenization import compact
from tokenizers import Tokenizer
from torch import Tensor
from train import SETUPS, Posts, Setup, load, parser, read_posts

from grader.data.text.posts import PostSet
from grader.text.errors import GraderError

MODELS = ("teacher", "teacher_ptq", "student", "student_ptq")
VOCABULARIES = (500,)
TEMPERATURES = (2.0, 4.0)
TOGETHER = 6
"""Models that are timed in turn."""
FOUR_BITS = (Storage(4, "tensor"), Storage(4, "channel"), Storage(4, "block"))
RETRAINED = (Storage(4, "tensor"), Storage(4, "channel"))
"""Of the student, after training and in it."""


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

    def posts(self, config: StudentConfig | NgramConfig) -> tuple[Tokenizer, Posts, Posts]:
        """The tokenizer of such a student, and both parts in its numbers."""
        small = small_tokenizer(config, self.tokenizer, self.train)
        return small, read_posts(small, self.train), read_posts(small, self.validation)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--table", action="store_true", help="table.csv alone")
    options.add_argument("--ptq", action="store_true", help="only what needs no training")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    train, validation = load(arguments)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    setup = SETUPS[arguments.data]
    bench = Bench(arguments.out, setup, tokenizer, train, validation, arguments.seed)
    write_table(bench)
    if not arguments.table:
        trials = [*teachers(bench), *rounded(bench)]
        write_experiments(bench, trials if arguments.ptq else [*trials, *students(bench)])


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
    measured = []
    for start in range(0, len(trials), TOGETHER):
        some = {trial.name: trial.candidate for trial in trials[start : start + TOGETHER]}
        measured += measure(some, bench.validation, rounds=8)
    columns = ("bytes", "accuracy", "f1_macro", "latency_ms_b1", "latency_ms_b32")
    with (bench.folder / "experiments.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", *columns, "note"])
        for trial, row in zip(trials, measured, strict=True):
            numbers = [_short(getattr(row, column)) for column in columns]
            rows.writerow([trial.name, *numbers, trial.note])


def teachers(bench: Bench) -> Iterator[Trial]:
    """The teacher after training, smaller in every way of quantize.py."""
    model, tokenizer = onnx.load(bench.folder / "teacher.onnx"), bench.file("tokenizer.json")
    posts = read_posts(bench.tokenizer, bench.train)
    ways = {
        "teacher": (lambda model: model, "float32"),
        "teacher uint8 matmul": (
            partial(dynamic, embedding=False, per_channel=False, weights=QuantType.QUInt8),
            "PTQ dynamic as ONNX Runtime does unless told otherwise; embedding float32",
        ),
        "teacher int8 matmul": (
            partial(dynamic, embedding=False),
            "PTQ dynamic, one scale a channel",
        ),
        "teacher int8": (dynamic, "PTQ dynamic, embedding too: teacher_ptq.onnx"),
        "teacher int8 static": (partial(static, posts=posts), "PTQ static; embedding float32"),
        "teacher float16": (float16, "weights alone"),
    }
    for name, (small, note) in ways.items():
        yield Trial(name, Candidate.of(small(model), tokenizer), note)
    for storage in _storages():
        small = weight_only(model, storage)
        yield Trial(f"teacher {_title(storage)}", Candidate.of(small, tokenizer), "weights alone")


def students(bench: Bench) -> Iterator[Trial]:
    """What the student gains from its teacher, its vocabulary, and from training while rounded."""
    setup = bench.setup
    teacher = load_teacher(bench.folder, setup)
    taught = answers(setup, bench.tokenizer, teacher, bench.train)
    yield _student(bench, "student labels", None, "float32, no teacher")
    for temperature in TEMPERATURES:
        name = f"student t={temperature:g}"
        yield _student(bench, name, taught, "distilled", LossWeights(temperature=temperature))
    if isinstance(setup.student, NgramConfig):
        return  # there are no pieces to do without
    for vocabulary in VOCABULARIES:
        name = f"student {vocabulary} pieces"
        yield _student(bench, name, taught, "distilled, int8", vocabulary=vocabulary)
    for storage in RETRAINED:
        small = weight_only(_retrained(bench, taught, storage), storage)
        candidate = Candidate.of(small, bench.file("student_tokenizer.json"))
        yield Trial(f"student {_title(storage)} qat", candidate, "QAT, weights alone")


def rounded(bench: Bench) -> Iterator[Trial]:
    """The submitted student, rounded after training."""
    model, tokenizer = (
        onnx.load(bench.folder / "student.onnx"),
        bench.file("student_tokenizer.json"),
    )
    default = DEFAULT.temperature
    yield Trial("student", Candidate.of(model, tokenizer), f"float32, distilled, t={default:g}")
    yield Trial("student int8 dynamic", Candidate.of(dynamic(model), tokenizer), "PTQ")
    yield Trial("student int8", Candidate.of(lookup(model), tokenizer), "PTQ: student_ptq.onnx")
    for storage in FOUR_BITS:
        small = Candidate.of(weight_only(model, storage), tokenizer)
        yield Trial(f"student {_title(storage)}", small, "PTQ, weights alone")


def _retrained(bench: Bench, taught: Tensor, storage: Storage) -> ModelProto:
    """The submitted student after a quarter of its training again, with rounded weights."""
    student = Convolutional(bench.setup.student)
    student.load_state_dict(torch.load(bench.folder / "student.pt", weights_only=True))
    _, train, validation = bench.posts(bench.setup.student)
    recipe = bench.setup.student_recipe
    recipe = replace(
        recipe,
        epochs=max(recipe.epochs // 4, 1),
        learning_rate=recipe.learning_rate / 4,
        seed=bench.seed,
    )
    loss = distillation_loss(train.labels, taught)
    return export(train_qat(student, storage, train, validation, loss, recipe))


def _student(
    bench: Bench,
    name: str,
    taught: Tensor | None,
    note: str,
    weights: LossWeights = DEFAULT,
    vocabulary: int | None = None,
) -> Trial:
    """A student trained half as long as the submitted one; int8 where its vocabulary is tried."""
    config = bench.setup.student
    if vocabulary:
        config = replace(config, vocabulary=min(vocabulary, bench.setup.teacher.vocabulary))
    tokenizer, train, validation = bench.posts(config)
    epochs = max(bench.setup.student_recipe.epochs // 2, 1)
    recipe = replace(bench.setup.student_recipe, epochs=epochs, seed=bench.seed)
    model = export(train_student(config, train, validation, recipe, taught, weights))
    return Trial(
        name, Candidate.of(lookup(model) if vocabulary else model, compact(tokenizer)), note
    )


def _storages() -> list[Storage]:
    """Bits, what shares a scale, and whether the embedding is stored so, too."""
    kinds = itertools.product((8, 4), ("tensor", "channel", "block"), (True, False))
    return [Storage(bits, shared, embedding=table) for bits, shared, table in kinds]


def _title(storage: Storage) -> str:
    table = "" if storage.embedding else ", float32 embedding"
    return f"int{storage.bits} per {storage.granularity}{table}"


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
