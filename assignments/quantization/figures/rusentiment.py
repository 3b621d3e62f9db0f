"""The quantization reference on posts that people wrote: RuSentiment, its published test set.

    python assignments/quantization/figures/rusentiment.py --from DIR [--seeds 0 1 2] [--json]
    python assignments/quantization/figures/rusentiment.py --from DIR --part validation
    python assignments/quantization/figures/rusentiment.py --from DIR --teacher rubert-tiny2

Trains the teacher, a student from labels alone and one that is taught, quantizes, and measures all
of them on one core, in turn. Beside them stand a student of the other kind, convolutional as that
of the built-in data, and a linear model on n-grams (scikit-learn). `--keep DIR` keeps what was
trained, and goes on from there.

Choices belong to `--part validation`. The test set was not read once only: an earlier teacher was
measured on it after two and after three epochs, and the convolutional student with three seeds.
The student of n-grams and its recipe were chosen on validation posts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import ModelProto
from tokenizers import Tokenizer
from torch import Tensor, nn

from grader.data import Part, load_posts
from grader.data.text.posts import LABELS, PostSet
from grader.handout.figures import project, table
from grader.lesson import course
from grader.measure.quality import classification
from grader.starter import Candidate, Measured, Posts, compact, measure, train_tokenizer
from grader.text.errors import GraderError
from grader.text.progress import Reporter

reference = project(
    course.reference_solutions() / "quantization",
    *("ngrams", "distill", "export", "losses", "model", "quantize"),
    "train",
)
ngrams, distill = reference.ngrams, reference.distill
quantize, training = reference.quantize, reference.train
export = reference.export.export
LossWeights, ensemble = reference.losses.LossWeights, reference.losses.ensemble
StudentConfig = reference.model.StudentConfig
student_of = reference.model.student_of
Recipe, Setup, SETUPS = training.Recipe, training.Setup, training.SETUPS


DATA = "rusentiment"
HEADING = (
    *("", "bytes", "smaller", "1 post, ms", "faster", "32, ms", "faster"),
    *("accuracy", "macro-F1"),
)
SETUP = SETUPS[DATA]
CONVOLUTION = replace(
    SETUP,
    student=StudentConfig(vocabulary=4000, width=80, kernel=5),
    student_recipe=Recipe(6, 2e-3, batch_size=96, word_dropout=0.15),
    weights=LossWeights(hard=0.7, soft=0.5, temperature=1.0, adjustment=0.1),
)
"""The other student, with the recipe that was best for it on validation posts."""


@dataclass(frozen=True)
class Linear:
    """The linear model on n-grams, which reads text and not tokens."""

    params: int
    bytes: int
    """float32; its list of n-grams takes as much again and is not counted."""
    milliseconds: float
    """One post, finding its n-grams included."""
    accuracy: float
    f1_macro: float
    f1_weighted: float


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            report(arguments, arguments.keep or Path(scratch))
        except GraderError as error:
            raise SystemExit(str(error)) from None


def report(arguments: argparse.Namespace, folder: Path) -> None:
    train, validation = (_part(arguments.source, part) for part in ("train", "validation"))
    unseen = validation if arguments.part == "validation" else _part(arguments.source, "hidden")
    rows = []
    for seed in arguments.seeds:
        with contextlib.redirect_stdout(sys.stderr):  # training's lines are no part of JSON
            candidates = models(seed, train, validation, folder, arguments.teacher)
        rows.append(measure(candidates, unseen))
        if not arguments.json:
            print(f"\nseed {seed}\n\n{as_table(rows[-1])}", flush=True)
    linear = linear_model(train, unseen)
    if arguments.json:
        seeds = [[asdict(row) for row in run] for run in rows]
        print(json.dumps({"seeds": seeds, "linear": asdict(linear)}))
        return
    if len(rows) > 1:
        print(f"\nmean of {len(rows)} seeds\n\n{as_table(mean(rows))}")
    print(f"\n{about(linear)}")


def models(
    seed: int, train: PostSet, validation: PostSet, folder: Path, teacher: str
) -> dict[str, Candidate]:
    """The models of one seed by name, the float32 teacher first."""
    place = folder / f"seed-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    linear = _linear_logits(train, folder / "ngrams.npy")
    large, tokenizer = _teacher(seed, train, validation, place, linear, teacher)
    pieces = train_tokenizer(train.texts, SETUP.teacher.vocabulary)

    def taught() -> Tensor:
        return ensemble(torch.from_numpy(_logits(large, tokenizer, train)), linear)

    def student(name: str, setup: Setup, teachers: Callable[[], Tensor | None]) -> Pair:
        small = distill.small_tokenizer(setup.student, pieces, train)
        parts = [Posts.of(part, small) for part in (train, validation)]
        recipe = replace(setup.student_recipe, seed=seed)

        def learn() -> nn.Module:
            return distill.train_student(setup.student, *parts, recipe, teachers(), setup.weights)

        model = export(_kept(place / f"{name}.pt", setup, learn))
        both = (model, quantize.lookup(model))
        return tuple(Candidate.of(form, compact(small)) for form in both)

    convolution = student("convolution", CONVOLUTION, taught)
    labels, best = student("labels", SETUP, lambda: None), student("student", SETUP, taught)
    shared = compact(tokenizer)
    return {
        "teacher": Candidate.of(large, shared),
        "teacher + PTQ": Candidate.of(quantize.dynamic(large), shared),
        "convolution": convolution[0],
        "convolution + PTQ": convolution[1],
        "student, labels": labels[0],
        "student": best[0],
        "student, labels + PTQ": labels[1],
        "student + PTQ": best[1],
    }


Pair = tuple[Candidate, ...]
"""A student in float32 and its PTQ."""


def _kept(path: Path, setup: Setup, train: Callable[[], nn.Module]) -> nn.Module:
    """The student that `path` holds, trained now if there is none."""
    if not path.exists():
        torch.save(train().state_dict(), path)
    student = student_of(setup.student)
    student.load_state_dict(torch.load(path, weights_only=True))
    return student.eval()


def _teacher(
    seed: int, train: PostSet, validation: PostSet, place: Path, linear: Tensor, name: str
) -> tuple[ModelProto, Tokenizer]:
    """The float32 teacher as ONNX: trained here, or fine-tuned from a checkpoint."""
    if name != "ours":
        return _pretrained(seed, train, validation, place, name)
    tokenizer = train_tokenizer(train.texts, SETUP.teacher.vocabulary)
    if not (place / "teacher.pt").exists():
        parts = [Posts.of(part, tokenizer) for part in (train, validation)]
        recipe = replace(SETUP.teacher_recipe, seed=seed)
        loss = reference.losses.distillation_loss(parts[0].labels, linear, training.NGRAMS)
        trained = training.train_teacher(SETUP.teacher, *parts, loss, recipe)
        torch.save(trained.state_dict(), place / "teacher.pt")
    return export(distill.load_teacher(place, SETUP)), tokenizer


def _pretrained(
    seed: int, train: PostSet, validation: PostSet, place: Path, checkpoint: str
) -> tuple[ModelProto, Tokenizer]:
    # Needs transformers, which the other models do not.
    rubert = project(course.reference_solutions() / "quantization", "rubert").rubert

    found = rubert.CHECKPOINT if checkpoint == "rubert-tiny2" else checkpoint
    module, tokenizer = rubert.load_pretrained(found)
    path = place / "pretrained.onnx"
    if not path.exists():
        rubert.train_pretrained(module, tokenizer, train, validation, path, seed)
    return onnx.load(path), tokenizer


def _logits(model: ModelProto, tokenizer: Tokenizer, part: PostSet) -> np.ndarray:
    """Logits (posts, 5) of an exported model, a post at a time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [port.name for port in session.get_inputs()]
    ids = Posts.of(part, tokenizer).ids
    return np.concatenate(
        [session.run(None, quantize.feed(names, post.numpy()[None]))[0] for post in ids]
    )


def _linear_logits(train: PostSet, path: Path) -> Tensor:
    """Out-of-fold logits of the linear model; the same for every seed."""
    if not path.exists():
        np.save(path, ngrams.out_of_fold(train.texts, train.labels).numpy())
    return torch.from_numpy(np.load(path))


def linear_model(train: PostSet, unseen: PostSet) -> Linear:
    """Trained on all training posts; its time is that of one post after another."""
    vectorizer, machine = ngrams.vectorizer(), ngrams.classifier()
    machine.fit(vectorizer.fit_transform(train.texts), train.labels)
    predicted = machine.predict(vectorizer.transform(unseen.texts))
    started = time.perf_counter()
    for text in unseen.texts[:200]:
        machine.predict(vectorizer.transform([text]))
    found = classification.quality(predicted, unseen.labels, len(LABELS))
    return Linear(
        params=machine.coef_.size,
        bytes=4 * machine.coef_.size,
        milliseconds=1e3 * (time.perf_counter() - started) / 200,
        accuracy=found.accuracy.value,
        f1_macro=found.f1_macro.value,
        f1_weighted=found.f1_weighted.value,
    )


def mean(runs: Sequence[Sequence[Measured]]) -> list[Measured]:
    """The mean of every number over the seeds."""
    numbers = [field.name for field in fields(Measured) if field.name != "name"]
    return [
        Measured(
            rows[0].name, **{n: statistics.fmean(getattr(row, n) for row in rows) for n in numbers}
        )
        for rows in zip(*runs, strict=True)
    ]


def as_table(rows: Sequence[Measured]) -> str:
    return table(
        HEADING,
        [
            (
                row.name,
                f"{row.bytes:,.0f}",
                f"{row.compression:.1f}×",
                f"{row.latency_ms_b1:.3f}",
                f"{row.speedup_b1:.1f}×",
                f"{row.latency_ms_b32:.2f}",
                f"{row.speedup_b32:.1f}×",
                f"{row.accuracy:.2%}",
                f"{row.f1_macro:.2%}",
            )
            for row in rows
        ],
    )


def about(linear: Linear) -> str:
    return (
        f"TF-IDF of n-grams and a linear SVM: accuracy {linear.accuracy:.2%}, macro-F1 "
        f"{linear.f1_macro:.2%}, weighted F1 {linear.f1_weighted:.2%}; {linear.params:,} weights "
        f"({linear.bytes:,} bytes without the list of n-grams), {linear.milliseconds:.2f} ms a "
        "post with its n-grams (the models above are timed without their tokenizers)."
    )


def _part(source: Path | None, part: Part) -> PostSet:
    with Reporter() as progress:
        return load_posts(DATA, part, source=source, progress=progress)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where trained models stay")
    parser.add_argument(
        "--part",
        choices=("validation", "hidden"),
        default="hidden",
        help="posts to measure on; hidden: the published test set",
    )
    parser.add_argument(
        "--teacher", default="ours", help="rubert-tiny2 from the hub, or a folder with a checkpoint"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
