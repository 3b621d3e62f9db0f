"""Train a teacher on varied clips, distil it, and write `model.onnx`.

    python train.py                                        model.onnx
    python train.py --data fsdd --from path/to/fsdd        fsdd/model.onnx, real recordings
    python train.py --all-seeds                            seeds/0.onnx to seeds/2.onnx
    python train.py --experiments                          every row of experiments.csv

One thread and fixed seeds repeat the files bit by bit with the same torch on the same kind of
processor. Delete teacher-*.pt to train the teacher again.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import distill
import numpy as np
import torch
from augment import augment
from distill import LossWeights
from export import Storage, agreement, export, run
from model import (
    BASELINE,
    SMALL,
    STUDENT,
    TEACHER,
    TINY,
    Crnn,
    CrnnConfig,
    Separable,
    SeparableConfig,
)
from torch import Tensor, nn
from torch.nn import functional as F

from grader.data import ClipSet, load
from grader.measure.costs.graph import inspect
from grader.measure.quality.detection import au_fa_fr
from grader.text.errors import GraderError
from grader.text.progress import Reporter

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1, 2)
EPOCHS = {"speech-synthetic": 40, "fsdd": 240}
"""fsdd has an eighth of the clips: it takes more epochs to make as many steps."""

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one batch of features (batch, 40, 101) and labels (batch,)."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: int = 40
    learning_rate: float = 3e-3
    """The peak of a one-cycle schedule, which warms up and falls to 0 at the end."""
    weight_decay: float = 1e-4
    batch_size: int = 128
    varied: bool = True
    """Whether every epoch hears new variations of the clips."""
    seed: int = 0


LABELS = LossWeights()
"""No teacher."""
SEMINAR = Recipe(epochs=20, learning_rate=3e-4, weight_decay=1e-5, varied=False)
"""The seminar's epochs and rates; the schedule is ours."""


@dataclass(frozen=True)
class Setting:
    """One experiment: a network, what it learns from, and how its weights are stored."""

    name: str
    network: CrnnConfig | SeparableConfig
    weights: LossWeights = LABELS
    recipe: Recipe | None = None
    """None: the recipe of the command line."""
    storages: tuple[Storage, ...] = ("float32",)
    note: str = ""


DISTILLED = LossWeights(hard=0.3, soft=0.7, temperature=2.0, attention=0.1, states=0.1)
PLAIN = "labels, clips as they are"
VARIED = "labels, new variations of the clips every epoch"
EXPERIMENTS = (
    Setting("baseline", BASELINE, recipe=SEMINAR, note=PLAIN),
    Setting("naive", STUDENT, recipe=SEMINAR, note=f"the starter's student, {PLAIN}"),
    Setting("naive varied", STUDENT, note=VARIED),
    Setting("naive distilled", STUDENT, DISTILLED, note="variations and a teacher"),
    Setting("small plain", SMALL, recipe=Recipe(varied=False), note=f"separable, {PLAIN}"),
    Setting("small varied", SMALL, note=VARIED),
    Setting(
        "small distilled",
        SMALL,
        DISTILLED,
        storages=get_args(Storage),
        note="variations and a teacher",
    ),
    Setting(
        "tiny distilled",
        TINY,
        DISTILLED,
        storages=get_args(Storage),
        note="half the channels again",
    ),
)
FINAL = {"speech-synthetic": "tiny distilled", "fsdd": "small distilled"}
"""What is submitted: the smallest whose validation stays below the baseline's."""


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
    recipe = Recipe(arguments.epochs or EPOCHS[arguments.data], seed=arguments.seed)
    teacher = load_or_train_teacher(arguments.data, train, validation, recipe)
    folder = HERE if arguments.data == "speech-synthetic" else HERE / arguments.data
    if arguments.experiments is not None:
        names = arguments.experiments
        for setting in (s for s in EXPERIMENTS if not names or s.name in names):
            student = train_student(setting, teacher, train, validation, recipe)
            record(setting, student, validation, folder / "experiments.csv")
        return
    final = next(s for s in EXPERIMENTS if s.name == FINAL[arguments.data])
    for seed in SEEDS if arguments.all_seeds else (arguments.seed,):
        student = train_student(final, teacher, train, validation, replace(recipe, seed=seed))
        path = folder / (f"seeds/{seed}.onnx" if arguments.all_seeds else "model.onnx")
        write(student, path, "int8", validation)


def load_or_train_teacher(data: str, train: Clips, validation: Clips, recipe: Recipe) -> Separable:
    """A wide network that has heard variations: it knows new voices better than the baseline."""
    path = HERE / f"teacher-{data}-{recipe.epochs}.pt"
    torch.manual_seed(recipe.seed)
    teacher = Separable(TEACHER)
    if path.exists():
        teacher.load_state_dict(torch.load(path, weights_only=True))
    else:
        print("teacher")
        fit(teacher, train, validation, hard_loss(teacher), recipe)
        torch.save(teacher.state_dict(), path)
    return teacher.eval()


def train_student(
    setting: Setting, teacher: Separable, train: Clips, validation: Clips, recipe: Recipe
) -> Crnn | Separable:
    """One setting from one seed; the last epoch counts."""
    torch.manual_seed(recipe.seed)
    student = build(setting.network)
    width = student.classifier.in_features
    projection = nn.Linear(width, TEACHER.width)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            taught = teacher.activations(features)
        heard = student.activations(features)
        return distill.loss(heard, taught, labels, setting.weights, projection)

    print(f"{setting.name}, seed {recipe.seed}")
    fit(
        student,
        train,
        validation,
        loss if setting.weights.teaches else hard_loss(student),
        setting.recipe or recipe,
        extra=projection,
    )
    return student.eval()


def build(network: CrnnConfig | SeparableConfig) -> Crnn | Separable:
    return Crnn(network) if isinstance(network, CrnnConfig) else Separable(network)


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
    optimizer = torch.optim.AdamW(parameters, weight_decay=recipe.weight_decay)
    schedule = one_cycle(optimizer, recipe, len(train.labels))
    history = []
    for epoch in range(1, recipe.epochs + 1):
        started, losses = time.perf_counter(), []
        model.train()
        for batch in balanced_batches(train.labels, recipe.batch_size, generator):
            features = train.features[batch]
            if recipe.varied:
                features = augment(features, generator)
            value = loss(features, train.labels[batch])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            losses.append(value.item())
        history.append(float(np.mean(losses)))
        print(
            f"  epoch {epoch:3}/{recipe.epochs}  loss {history[-1]:.4f}  "
            f"validation AU-FA-FR {quality(model, validation):.2e}  "
            f"{time.perf_counter() - started:.1f} s",
            flush=True,
        )
    return history


def one_cycle(
    optimizer: torch.optim.Optimizer, recipe: Recipe, clips: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    batches = -(-clips // recipe.batch_size)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches, pct_start=0.15
    )


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


def write(student: nn.Module, path: Path, storage: Storage, validation: Clips) -> None:
    """Export, and make sure that the file computes what the module does."""
    path.parent.mkdir(exist_ok=True)
    export(student, path, storage)
    agreement(student, path, validation.features[:256].numpy(), storage)


def record(setting: Setting, student: nn.Module, validation: Clips, table: Path) -> None:
    """One row of `table` for each way of storing the weights, measured as stored."""
    if not table.exists():
        table.write_text("name,au_fa_fr,macs,bytes,storage,teacher,note\n", encoding="utf-8")
    teacher = "wide separable" if setting.weights.teaches else "none"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for storage in setting.storages:
            write(student, path, storage, validation)
            costs = inspect(path.read_bytes())
            logits = run(path, validation.features.numpy())
            area = au_fa_fr(logits[:, 1] - logits[:, 0], validation.labels.numpy())
            row = [setting.name, f"{area:.3e}", costs.macs, costs.bytes, storage, teacher]
            with table.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow([*row, setting.note])


def clips(part: ClipSet) -> Clips:
    return Clips(
        torch.from_numpy(np.array(part.features)), torch.from_numpy(part.labels.astype(np.int64))
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--data", default="speech-synthetic", choices=EPOCHS)
    parser.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all-seeds", action="store_true", help="into the folder seeds/")
    parser.add_argument(
        "--experiments",
        nargs="*",
        metavar="NAME",
        help="add rows to experiments.csv: those of the named settings, or all",
    )
    return parser.parse_args()


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:  # data that is missing, say: a sentence, not a traceback
        raise SystemExit(str(error)) from None
