"""What a teacher gives: the measured table `teaching` of the distillation handout.

    python assignments/distillation/figures/teaching.py [--epochs 16] [--seeds 0 1 2] [--write]

Two students, taught in several ways, three seeds each. Within a seed every student starts from the
same weights as its control and hears the same variations of the same clips in the same
order; only the loss differs. Ten minutes on an idle core; seeds are fixed, one thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader import data, starter
from grader.handout.figures import Table, count, plain, project, publish
from grader.lesson import course
from grader.measure.costs import graph
from grader.starter import Clips
from grader.text import Text, join, verbatim

REFERENCE = course.reference_solutions() / "distillation"
LESSON = course.assignments() / "distillation"


reference = project(REFERENCE, "model", "distill", "train")
model, distill, train = reference.model, reference.distill, reference.train


@dataclass(frozen=True)
class Way:
    """One row: which student, whose answers it learns from, and what of them."""

    student: str
    taught: Text
    teacher: str = ""
    """A network of `NETWORKS`, `itself` for the student that labels alone had made, or nobody."""
    weights: Any = None
    varied: bool = True
    """Whether every epoch hears new variations of the clips."""


NETWORKS = {
    "GRU 20": model.STUDENT,
    "separable 12": model.TINY,
    "GRU 64": model.BASELINE,
    "wide": model.TEACHER,
}
LABELS = Text("labels alone")
AS_THEY_ARE = Text("labels alone, clips as they are")


def soft(temperature: float, **more: float) -> Any:
    """The reference's shares of labels and of the teacher's answers."""
    return distill.LossWeights(hard=0.3, soft=0.7, temperature=temperature, **more)


WAYS = (
    Way("GRU 20", AS_THEY_ARE, varied=False),
    Way("GRU 20", LABELS),
    Way("GRU 20", verbatim("GRU 64, T = 1"), "GRU 64", soft(1)),
    Way("GRU 20", verbatim("GRU 64, T = 4"), "GRU 64", soft(4)),
    Way("GRU 20", Text("GRU 64, where it looks"), "GRU 64",
        distill.LossWeights(attention=0.3)),
    Way("GRU 20", Text("GRU 64, its hidden states"),
        "GRU 64", distill.LossWeights(states=0.3)),
    Way("GRU 20", Text("wide, T = 4"), "wide", soft(4)),
    Way("GRU 20", Text("itself, T = 4"), "itself", soft(4)),
    Way("separable 12", LABELS),
    Way("separable 12", verbatim("GRU 64, T = 4"), "GRU 64", soft(4)),
    Way("separable 12", Text("wide, T = 4"), "wide", soft(4)),
    Way("separable 12", Text("itself, T = 4"), "itself", soft(4)),
)  # fmt: skip
STUDENT_NAMES = {
    "GRU 20": verbatim("GRU 20"),
    "separable 12": Text("separable 12"),
}


@dataclass
class Learner:
    """A student on its way, with a projection that is thrown away."""

    way: Way
    module: nn.Module
    projection: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler


def measured(epochs: int, seeds: Sequence[int]) -> Table:
    """Train everything and judge it on the validation voices."""
    heard, judged = map(Clips.of, starter.load(data.load, "speech-synthetic"))
    recipe = train.Recipe(epochs=epochs)
    teachers = {name: _control(name, heard, judged, recipe) for name in ("GRU 64", "wide")}
    found: dict[Way, list[float]] = {way: [] for way in WAYS}
    for seed in seeds:
        recipe = train.Recipe(epochs=epochs, seed=seed)
        first = [way for way in WAYS if way.varied and way.teacher != "itself"]
        taught = _together(first, teachers, heard, recipe)
        taught |= _together([way for way in WAYS if not way.varied], {}, heard, recipe)
        own = {way.student: taught[way] for way in first if not way.teacher}
        for student, module in own.items():
            again = [way for way in WAYS if (way.student, way.teacher) == (student, "itself")]
            taught |= _together(again, {"itself": module}, heard, recipe)
        for way, module in taught.items():
            found[way].append(starter.detector_quality(module, judged))
            print(f"seed {seed} {way.student:13} {way.taught!s:28} {found[way][-1]:.2e}",
                  file=sys.stderr, flush=True)  # fmt: skip
    return _table(found, teachers, judged, recipe, seeds)


def _control(name: str, heard: Any, judged: Any, recipe: Any) -> nn.Module:
    way = Way(name, LABELS)
    module = _together([way], {}, heard, recipe)[way]
    print(
        f"teacher {name}: {starter.detector_quality(module, judged):.2e}",
        file=sys.stderr,
        flush=True,
    )
    return module


def _together(
    ways: Sequence[Way], teachers: Mapping[str, nn.Module], heard: Any, recipe: Any
) -> dict[Way, nn.Module]:
    """Students that hear the same batches; a teacher is asked once a batch, for all of them.

    All of `ways` are varied, or none.
    """
    learners = [_learner(way, teachers, heard, recipe) for way in ways]
    asked = {way.teacher for way in ways if way.teacher}
    generator = torch.Generator().manual_seed(recipe.seed)
    for epoch in range(recipe.epochs):
        started = time.perf_counter()
        for batch in starter.balanced_batches(heard.labels, recipe.batch_size, generator):
            features = heard.features[batch]
            if ways[0].varied:
                features = train.augment(features, generator)
            with torch.no_grad():
                answers = {name: teachers[name].activations(features) for name in asked}
            for one in learners:
                _step(one, features, heard.labels[batch], answers)
        print(f"  epoch {epoch + 1}/{recipe.epochs}: {time.perf_counter() - started:.1f} s",
              file=sys.stderr, flush=True)  # fmt: skip
    return {one.way: one.module.eval() for one in learners}


def _learner(way: Way, teachers: Mapping[str, nn.Module], heard: Any, recipe: Any) -> Learner:
    torch.manual_seed(recipe.seed)
    module = train.build(NETWORKS[way.student])
    width = module.classifier.in_features
    wide = teachers[way.teacher].classifier.in_features if way.teacher else width
    projection = nn.Linear(width, wide)
    parameters = [*module.parameters(), *projection.parameters()]
    optimizer = torch.optim.AdamW(parameters, weight_decay=recipe.weight_decay)
    schedule = train.one_cycle(optimizer, recipe, len(heard.labels))
    return Learner(way, module.train(), projection, optimizer, schedule)


def _step(one: Learner, features: Tensor, labels: Tensor, answers: Mapping[str, Any]) -> None:
    said = one.module.activations(features)
    if one.way.teacher:
        loss = distill.loss(said, answers[one.way.teacher], labels, one.way.weights, one.projection)
    else:
        loss = F.cross_entropy(said.logits, labels)
    one.optimizer.zero_grad()
    loss.backward()
    one.optimizer.step()
    one.schedule.step()


def _table(
    found: Mapping[Way, list[float]],
    teachers: Mapping[str, nn.Module],
    judged: Any,
    recipe: Any,
    seeds: Sequence[int],
) -> Table:
    rows = [
        (
            join(": ", (STUDENT_NAMES[way.student], way.taught)),
            count(_macs(way.student)),
            *(plain(f"{value * 1e5:.2f}") for value in areas),
            plain(f"{np.mean(areas) * 1e5:.2f}"),
        )
        for way, areas in found.items()
    ]  # fmt: skip
    gru, wide = (
        f"{starter.detector_quality(teachers[name], judged) * 1e5:.2f}" for name in teachers
    )
    return Table(
        header=(
            Text("student: taught by"),
            Text("MACs"),
            *(Text("seed {seed}", seed=seed) for seed in seeds),
            Text("mean"),
        ),
        rows=rows,
        caption=Text(
            "Measured: AU-FA-FR, 1e-5, {labels_count:,} validation clips of speech-synthetic; "
            "{epochs} epochs on variations of the clips (first row: none), the same for all "
            "students of a seed. The teachers: GRU 64 {gru}, wide {wide}.",
            labels_count=len(judged.labels),
            epochs=recipe.epochs,
            gru=gru,
            wide=wide,
        ),
    )


@cache
def _macs(student: str) -> int:
    """As the grader counts them; they do not depend on the weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        train.export(train.build(NETWORKS[student]).eval(), path, "float32")
        return int(graph.inspect(path.read_bytes()).macs)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", action="store_true", help="fill in both handouts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = measured(options.epochs, options.seeds)
    publish(LESSON, "teaching", table, write=options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
