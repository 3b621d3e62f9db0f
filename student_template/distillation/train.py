"""Train the baseline once, then a student, and write `model.onnx`.

    python train.py                                        built-in synthetic speech
    python train.py --name kl4 --storage int8              another experiment
    python train.py --data fsdd --from path/to/fsdd        real recordings, keyword "seven"

Every run adds one row to experiments.csv.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import distill
import numpy as np
import torch
from augment import augment
from export import Storage, agreement, export, run
from model import BASELINE, STUDENT, Crnn
from torch import Tensor, nn
from torch.nn import functional as F

from grader.data import ClipSet, load
from grader.measure.costs.graph import inspect
from grader.measure.quality.detection import au_fa_fr
from grader.text.errors import GraderError
from grader.text.progress import Reporter

HERE = Path(__file__).resolve().parent

WEIGHTS = distill.LossWeights()  # TODO: labels alone are a weak teacher
"""What the student learns from."""

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one batch of features (batch, 40, 101) and labels (batch,)."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train. The defaults are the seminar's."""

    epochs: int = 20
    learning_rate: float = 3e-4
    weight_decay: float = 1e-5
    batch_size: int = 128
    seed: int = 0


@dataclass(frozen=True)
class Clips:
    """One part of a data set as tensors."""

    features: Tensor
    """(clips, 40, 101), float32."""
    labels: Tensor
    """(clips,), int64: 1 where the keyword is spoken."""


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)  # tiny layers lose time to threads, and one thread repeats exactly
    with Reporter() as progress:  # the first time, the speech is made: half a minute
        train, validation = (
            clips(load(arguments.data, part, source=arguments.source, progress=progress))
            for part in ("train", "validation")
        )
    recipe = Recipe(epochs=arguments.epochs, seed=arguments.seed)
    teacher = load_or_train_teacher(arguments.data, train, validation, recipe)
    student = train_student(teacher, train, validation, recipe)
    export(student, HERE / "model.onnx", arguments.storage)
    agreement(student, HERE / "model.onnx", validation.features[:256].numpy(), arguments.storage)
    record(arguments.name, arguments.storage, validation)


def load_or_train_teacher(data: str, train: Clips, validation: Clips, recipe: Recipe) -> Crnn:
    """The baseline of the seminar, trained once and kept. Any better model may take its place."""
    recipe = replace(recipe, epochs=min(recipe.epochs, Recipe.epochs))
    path = HERE / f"teacher-{data}-{recipe.epochs}.pt"  # a short first look has its own
    torch.manual_seed(recipe.seed)
    teacher = Crnn(BASELINE)
    if path.exists():
        teacher.load_state_dict(torch.load(path, weights_only=True))
    else:
        print(f"teacher (kept in {path.name})")
        fit(teacher, train, validation, hard_loss(teacher), recipe)
        torch.save(teacher.state_dict(), path)
    return teacher.eval()


def train_student(teacher: Crnn, train: Clips, validation: Clips, recipe: Recipe) -> Crnn:
    """A smaller network, which learns from labels and teacher as `WEIGHTS` says."""
    torch.manual_seed(recipe.seed)
    student = Crnn(STUDENT)
    projection = nn.Linear(STUDENT.hidden_size, BASELINE.hidden_size)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            taught = teacher.activations(features)
        return distill.loss(student.activations(features), taught, labels, WEIGHTS, projection)

    print("student")
    fit(student, train, validation, loss, recipe, extra=projection)
    return student.eval()


def fit(
    model: nn.Module,
    train: Clips,
    validation: Clips,
    loss: BatchLoss,
    recipe: Recipe,
    extra: nn.Module | None = None,
) -> list[float]:
    """Train `model` (and `extra`, which is thrown away) in place; the mean loss of each epoch."""
    generator = torch.Generator().manual_seed(recipe.seed)
    parameters = [*model.parameters(), *(extra.parameters() if extra else ())]
    optimizer = torch.optim.Adam(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
    history = []
    for epoch in range(1, recipe.epochs + 1):
        started, losses = time.perf_counter(), []
        model.train()
        for batch in balanced_batches(train.labels, recipe.batch_size, generator):
            value = loss(augment(train.features[batch], generator), train.labels[batch])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(value.item())
        history.append(float(np.mean(losses)))
        print(
            f"  epoch {epoch:3}/{recipe.epochs}  loss {history[-1]:.4f}  "
            f"validation AU-FA-FR {quality(model, validation):.2e}  "
            f"{time.perf_counter() - started:.1f} s",
            flush=True,
        )
    return history


def hard_loss(model: nn.Module) -> BatchLoss:
    return lambda features, labels: F.cross_entropy(model(features), labels)


def balanced_batches(
    labels: Tensor, batch_size: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """One epoch of clip numbers, drawn so that half of each batch is the keyword."""
    share = torch.bincount(labels, minlength=2).double()
    drawn = torch.multinomial(1 / share[labels], len(labels), replacement=True, generator=generator)
    return drawn.split(batch_size)


@torch.no_grad()
def quality(model: nn.Module, clips: Clips) -> float:
    """AU-FA-FR at the prior 0.0305; smaller is better."""
    model.eval()
    logits = torch.cat([model(batch) for batch in clips.features.split(1000)])
    return au_fa_fr((logits[:, 1] - logits[:, 0]).numpy(), clips.labels.numpy())


def record(name: str, storage: str, validation: Clips) -> None:
    """Measure model.onnx as it is stored and add it to experiments.csv."""
    path = HERE / "model.onnx"
    costs = inspect(path.read_bytes())
    logits = run(path, validation.features.numpy())
    area = au_fa_fr(logits[:, 1] - logits[:, 0], validation.labels.numpy())
    teacher = "baseline" if WEIGHTS.teaches else "none"
    row = [name, f"{area:.3e}", costs.macs, costs.bytes, storage, teacher, ""]
    with (HERE / "experiments.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)
    print(
        f"{path.name}: validation AU-FA-FR {area:.2e}, {costs.macs:,} MACs, {costs.bytes:,} "
        f"bytes. Added to experiments.csv as {name!r}."
    )


def clips(part: ClipSet) -> Clips:
    return Clips(
        torch.from_numpy(np.array(part.features)), torch.from_numpy(part.labels.astype(np.int64))
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--data", default="speech-synthetic")
    parser.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--storage", choices=get_args(Storage), default="float32")
    parser.add_argument("--name", default="naive", help="of the row in experiments.csv")
    return parser.parse_args()


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:  # data that is missing, say: a sentence, not a traceback
        raise SystemExit(str(error)) from None
