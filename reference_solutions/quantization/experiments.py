"""What each way of making the models smaller gives: table.csv, and experiments.csv.

    python experiments.py --table   table.csv: bytes, time and quality of the four models
    python experiments.py           that and every row of experiments.csv

Reads what the other scripts wrote. Measured on the validation posts as the grader does: one core,
all models in turn.
"""

from __future__ import annotations

# BEGIN SOLUTION
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
from model import AnyStudent, Convolutional, NgramConfig
from onnx import ModelProto
from onnxruntime.quantization import QuantType
from qat import train_qat
from quantize import Storage, dynamic, float16, lookup, static, weight_only
from tokenizers import Tokenizer
from torch import Tensor
from train import SETUPS, Setup, load, parser

from grader import starter
from grader.data.text.posts import PostSet
from grader.starter import Candidate, Measured, Posts

# STARTER
# from collections.abc import Iterator
# from dataclasses import dataclass, fields
# from pathlib import Path
#
# import onnx
# from quantize import dynamic, float16
# from tokenizers import Tokenizer
# from train import SETUPS, Setup, load, parser
#
# from grader import starter
# from grader.data.text.posts import PostSet
# from grader.starter import Candidate, Measured
#
# END SOLUTION
MODELS = ("teacher", "teacher_ptq", "student", "student_ptq")
TOGETHER = 6
"""Models that are timed in turn."""
# BEGIN SOLUTION
VOCABULARIES = (500,)
TEMPERATURES = (2.0, 4.0)
FOUR_BITS = (Storage(4, "tensor"), Storage(4, "channel"), Storage(4, "block"))
RETRAINED = (Storage(4, "tensor"), Storage(4, "channel"))
"""Of the student, after training and in it."""
# END SOLUTION


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

    # BEGIN SOLUTION
    def posts(self, config: AnyStudent) -> tuple[Tokenizer, Posts, Posts]:
        """The tokenizer of such a student, and both parts in its numbers."""
        small = small_tokenizer(config, self.tokenizer, self.train)
        return small, Posts.of(self.train, small), Posts.of(self.validation, small)

    # END SOLUTION


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--table", action="store_true", help="table.csv alone")
    options.add_argument("--ptq", action="store_true", help="what needs no training")  # SOLUTION
    arguments = options.parse_args()
    train, validation = load(arguments)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    setup = SETUPS[arguments.data]
    bench = Bench(arguments.out, setup, tokenizer, train, validation, arguments.seed)
    write_table(bench)
    if not arguments.table:
        # BEGIN SOLUTION
        trials = [*teachers(bench), *rounded(bench)]
        write_experiments(bench, trials if arguments.ptq else [*trials, *students(bench)])
        # STARTER
        # write_experiments(bench, list(trials(bench)))
        # END SOLUTION


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


# BEGIN SOLUTION
def teachers(bench: Bench) -> Iterator[Trial]:
    """The teacher after training, smaller in every way of quantize.py."""
    model, tokenizer = onnx.load(bench.folder / "teacher.onnx"), bench.file("tokenizer.json")
    posts = Posts.of(bench.train, bench.tokenizer)
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
        name, Candidate.of(lookup(model) if vocabulary else model, starter.compact(tokenizer)), note
    )


def _storages() -> list[Storage]:
    """Bits, what shares a scale, and whether the embedding is stored so, too."""
    kinds = itertools.product((8, 4), ("tensor", "channel", "block"), (True, False))
    return [Storage(bits, shared, embedding=table) for bits, shared, table in kinds]


def _title(storage: Storage) -> str:
    table = "" if storage.embedding else ", float32 embedding"
    return f"int{storage.bits} per {storage.granularity}{table}"


# STARTER
# def trials(bench: Bench) -> Iterator[Trial]:
#     """The models to compare."""
#     # TODO: every way of quantize.py, for teacher and student; students with other vocabularies,
#     # with and without a teacher, before and after training with rounding.
#     model, tokenizer = onnx.load(bench.folder / "teacher.onnx"), bench.file("tokenizer.json")
#     yield Trial("teacher", Candidate.of(model, tokenizer), "float32")
#     yield Trial("teacher dynamic", Candidate.of(dynamic(model), tokenizer), "as out of the box")
#     yield Trial("teacher float16", Candidate.of(float16(model), tokenizer), "weights alone")
#
#
# END SOLUTION
if __name__ == "__main__":
    starter.run_main(main)
