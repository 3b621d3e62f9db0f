"""Train a teacher once, then a student that learns from it, and write `model.onnx`.

    python train.py                                     built-in synthetic speech
    python train.py --data fsdd --from path/to/fsdd     real recordings, keyword "seven"
    python train.py --help                              other experiments

One thread and fixed seeds repeat the files bit by bit with the same torch on the same kind of
processor. Delete teacher-*.pt to train the teacher again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import distill
import torch
from augment import augment
from distill import LossWeights
from export import Storage, export
from model import BASELINE, STUDENT, CrnnConfig, build
from torch import Tensor, nn
from torch.nn import functional as F

from grader import data, starter
from grader.starter import Clips

HERE = Path(__file__).resolve().parent
BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one batch of features (batch, 40, 101) and labels (batch,)."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: int = 20  # the seminar's
    learning_rate: float = 3e-4
    weight_decay: float = 1e-5
    batch_size: int = 128
    varied: bool = True
    """Whether every epoch hears new variations of the clips."""
    seed: int = 0


TEACHER = BASELINE
"""The seminar's network. Any better one may take its place."""
WEIGHTS = LossWeights()  # TODO: labels alone are a weak teacher
"""What the student learns from."""


def main() -> None:
    options = starter.parser(__doc__, "speech-synthetic")
    options.add_argument("--epochs", type=int, default=Recipe.epochs)
    options.add_argument("--storage", choices=get_args(Storage), default="float32")
    options.add_argument("--name", default="naive", help="of the row in experiments.csv")
    arguments = options.parse_args()
    train, validation = map(Clips.of, starter.load(data.load, arguments.data, arguments.source))
    recipe = Recipe(epochs=arguments.epochs, seed=arguments.seed)
    shorter = replace(recipe, epochs=min(recipe.epochs, Recipe.epochs))
    teacher = load_or_train_teacher(arguments.data, train, validation, shorter)
    student = train_student(STUDENT, WEIGHTS, teacher, train, validation, recipe)
    path = HERE / "model.onnx"
    export(student, path, arguments.storage, validation.features[:256].numpy())
    figures = starter.detector_figures(path, validation)
    row = {"name": arguments.name, **figures, "storage": arguments.storage}
    row["teacher"] = "baseline" if WEIGHTS.teaches else "none"
    starter.add_row(HERE / "experiments.csv", row)
    print(f"{path.name}, added to experiments.csv: {row}")


def load_or_train_teacher(name: str, train: Clips, validation: Clips, recipe: Recipe) -> nn.Module:
    """A trained `TEACHER`, kept in a file for the data set `name` and so many epochs."""
    path = HERE / f"teacher-{name}-{recipe.epochs}.pt"
    starter.repeatable(recipe.seed)
    teacher = build(TEACHER)
    if path.exists():
        teacher.load_state_dict(torch.load(path, weights_only=True))
    else:
        print(f"teacher (kept in {path.name})")
        fit(teacher, train, validation, hard_loss(teacher), recipe)
        torch.save(teacher.state_dict(), path)
    return teacher.eval()


def train_student(
    network: CrnnConfig,
    weights: LossWeights,
    teacher: nn.Module,
    train: Clips,
    validation: Clips,
    recipe: Recipe,
) -> nn.Module:
    """A student that learns from labels and teacher as `weights` say; the last epoch counts."""
    starter.repeatable(recipe.seed)
    student = build(network)
    projection = nn.Linear(student.classifier.in_features, teacher.classifier.in_features)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            taught = teacher.activations(features)
        return distill.loss(student.activations(features), taught, labels, weights, projection)

    student_loss = loss if weights.teaches else hard_loss(student)
    fit(student, train, validation, student_loss, recipe, extra=projection)
    return student.eval()


def fit(
    network: nn.Module,
    train: Clips,
    validation: Clips,
    loss: BatchLoss,
    recipe: Recipe,
    extra: nn.Module | None = None,
) -> list[float]:
    """Train `network` (and `extra`, which is thrown away) in place; the mean loss of each epoch."""
    generator = torch.Generator().manual_seed(recipe.seed)
    parameters = [*network.parameters(), *(extra.parameters() if extra else ())]
    decay = recipe.weight_decay
    optimizer = torch.optim.Adam(parameters, recipe.learning_rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)
    history = []
    for epoch in starter.epochs(recipe.epochs):
        network.train()
        for batch in starter.balanced_batches(train.labels, recipe.batch_size, generator):
            features = train.features[batch]
            if recipe.varied:
                features = augment(features, generator)
            epoch.step(loss(features, train.labels[batch]), optimizer, schedule)
        history.append(epoch.loss)
        quality = starter.detector_quality(network, validation)
        epoch.done(f"validation AU-FA-FR {quality:.2e}")
    return history


def hard_loss(network: nn.Module) -> BatchLoss:
    return lambda features, labels: F.cross_entropy(network(features), labels)


if __name__ == "__main__":
    starter.run_main(main)
