"""Train the detector and write `model.onnx`, `model.ts` and `offline.onnx`.

    python train.py                                     built-in synthetic speech
    python train.py --data fsdd --from path/to/fsdd     real recordings
    python train.py --export                            write the files again, without training

What is trained is the offline network. One thread and a fixed seed repeat the files bit by bit
with the same torch on the same kind of processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import offline
import torch
from export import export_all
from frontend import log_mel, tables
from offline import Crnn
from streaming import StreamingKws
from torch import Tensor
from torch.nn import functional as F

from grader import starter
from grader.data.speech import tracks
from grader.starter import Seconds

HERE = Path(__file__).resolve().parent
FRAMES = 98
"""Frames that lie inside one second; two more straddle its end."""
HOPS = 100
"""Frames from the beginning of one second to that of the next."""
Loss = Callable[[Crnn, "Batch"], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: int = 20
    learning_rate: float = 3e-4
    """The peak of a one-cycle schedule."""
    weight_decay: float = 1e-5
    batch: int = 32
    """Sequences."""
    glued: int = 4
    """Seconds in a sequence."""
    seed: int = 0


RECIPES = {"speech-synthetic": Recipe(), "fsdd": Recipe(epochs=60)}  # fsdd is a third as large


@dataclass(frozen=True)
class Batch:
    """Seconds glued into sequences."""

    features: Tensor
    """(sequences, 40, 100 * glued - 2)"""
    labels: Tensor
    """(sequences, glued)"""
    spans: Tensor
    """(sequences, glued, 2) in frames of its second"""


def main() -> None:
    options = starter.parser(__doc__, "speech-synthetic", RECIPES)
    options.add_argument("--epochs", type=int, help="default: see RECIPES")
    options.add_argument("--export", action="store_true", help="from the weights of the last run")
    arguments = options.parse_args()
    starter.repeatable(arguments.seed)
    crnn = Crnn(offline.BASELINE)
    weights = HERE / f"weights-{arguments.data}.pt"
    if arguments.export:
        crnn.load_state_dict(torch.load(weights, weights_only=True))
    else:
        parts = starter.load(tracks.load, arguments.data, arguments.source)
        train, validation = map(seconds, parts)
        recipe = replace(RECIPES[arguments.data], seed=arguments.seed)
        recipe = replace(recipe, epochs=arguments.epochs or recipe.epochs)
        # TODO: in a stream the GRU does not begin at zero. `glue` makes longer sequences out of
        # seconds: train on them, and ask at the end of every second (or of every step).
        fit(crnn, train, validation, clip_loss, recipe)
        torch.save(crnn.state_dict(), weights)
    export_all(crnn, StreamingKws(crnn), HERE)


def seconds(slots: tracks.Slots) -> Seconds:
    """Log-mel bands of every second, as the network computes them."""
    constants = tables(torch.zeros(1))
    return Seconds.heard(slots, lambda sound: log_mel(sound, constants))


def fit(crnn: Crnn, train: Seconds, validation: Seconds, loss: Loss, recipe: Recipe) -> None:
    """Train in place; prints a line for every epoch."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(crnn.parameters(), weight_decay=recipe.weight_decay)
    batches = len(train.labels) // (recipe.batch * recipe.glued)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches, pct_start=0.15
    )
    for epoch in starter.epochs(recipe.epochs):
        crnn.train()
        for _ in range(batches):
            value = loss(crnn, draw(train, recipe, generator))
            epoch.step(value, optimizer, schedule, largest_norm=1.0)
        note = f"validation AU-FA-FR offline {starter.detector_quality(crnn, validation):.2e}"
        epoch.done(note)


def draw(data: Seconds, recipe: Recipe, generator: torch.Generator) -> Batch:
    """Random seconds, a third of them with the keyword, glued at random."""
    share = torch.bincount(data.labels, minlength=2).double()
    weight = torch.tensor([2.0, 1.0], dtype=torch.float64) / share
    number = recipe.batch * recipe.glued
    chosen = torch.multinomial(weight[data.labels], number, replacement=True, generator=generator)
    features, spans = data.features[chosen], data.spans[chosen]
    shape = (recipe.batch, recipe.glued)
    return Batch(
        glue(features.reshape(*shape, *features.shape[1:])),
        data.labels[chosen].reshape(shape),
        spans.reshape(*shape, 2),
    )


def glue(features: Tensor) -> Tensor:
    """(sequences, glued, 40, 98) to (sequences, 40, 100 * glued - 2).

    The two frames over each seam hold some of both seconds: the mean of their powers.
    """
    seam = torch.logaddexp(features[:, :-1, :, -1:], features[:, 1:, :, :1]) - np.log(2.0)
    first = torch.cat([features[:, :-1], seam, seam], 3).transpose(1, 2).flatten(2)
    return torch.cat([first, features[:, -1]], 2)


def clip_loss(crnn: Crnn, batch: Batch) -> Tensor:
    """The seminar's: every second for itself, from a zero state."""
    cut = batch.features.unfold(2, FRAMES, HOPS)  # (sequences, 40, glued, 98)
    logits = crnn(cut.transpose(1, 2).flatten(0, 1))
    return F.cross_entropy(logits, batch.labels.flatten())


if __name__ == "__main__":
    starter.run_main(main)
