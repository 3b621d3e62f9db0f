"""Train the offline network as in the seminar and write all three files.

    python train.py                                     model.onnx, model.ts, offline.onnx
    python train.py --data fsdd --from path/to/fsdd     real recordings
    python train.py --export                            write the files again, without training

20 epochs of Adam with a peak rate of 3e-4, every second for itself. TODO: in a stream the GRU
does not begin at zero. `glue` makes longer sequences out of seconds: train on them, and ask at the
end of every second (or of every step).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from export import export_all
from frontend import log_mel, tables
from offline import BASELINE, Crnn
from streaming import StreamingKws
from torch import Tensor
from torch.nn import functional as F

from grader.data.speech import tracks
from grader.measure.quality.detection import au_fa_fr
from grader.text.errors import GraderError
from grader.text.progress import Reporter

HERE = Path(__file__).resolve().parent
FRAMES = 98
"""Frames that lie inside one second; two more straddle its end."""
HOPS = 100
"""Frames from the beginning of one second to that of the next."""
EPOCHS = {"speech-synthetic": 20, "fsdd": 60}

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


@dataclass(frozen=True)
class Seconds:
    """One part of the data as tensors."""

    features: Tensor
    """(slots, 40, 98) log-mel bands, frames not centred."""
    labels: Tensor
    """(slots,) int64, 1 for the keyword."""
    spans: Tensor
    """(slots, 2) first and last frame of the word; (0, 0) without one."""


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
    arguments = _arguments()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    crnn = Crnn(BASELINE)
    weights = HERE / f"weights-{arguments.data}.pt"
    if arguments.export:
        crnn.load_state_dict(torch.load(weights, weights_only=True))
    else:
        train, validation = load(arguments.data, arguments.source)
        recipe = Recipe(arguments.epochs or EPOCHS[arguments.data], seed=arguments.seed)
        fit(crnn, train, validation, clip_loss, recipe)
        torch.save(crnn.state_dict(), weights)
    export_all(crnn, StreamingKws(crnn), HERE)


def load(data: str, source: Path | None) -> tuple[Seconds, Seconds]:
    """The train and validation parts. The first time, the speech is made: half a minute."""
    with Reporter() as progress:
        train, validation = (
            seconds(tracks.load(data, part, source=source, progress=progress))
            for part in ("train", "validation")
        )
    return train, validation


def seconds(slots: tracks.Slots) -> Seconds:
    """Log-mel bands of every slot."""
    constants = tables(torch.zeros(1))
    with torch.no_grad():
        features = [
            log_mel(torch.from_numpy(chunk.astype(np.float32) / 32768.0), constants)
            for chunk in np.array_split(slots.audio, max(len(slots) // 100, 1))
        ]
    return Seconds(
        torch.cat(features),
        torch.from_numpy(slots.labels.astype(np.int64)),
        torch.from_numpy(slots.spans // 160),
    )


def fit(crnn: Crnn, train: Seconds, validation: Seconds, loss: Loss, recipe: Recipe) -> None:
    """Train in place; prints a line for every epoch."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(crnn.parameters(), weight_decay=recipe.weight_decay)
    batches = len(train.labels) // (recipe.batch * recipe.glued)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches, pct_start=0.15
    )
    for epoch in range(1, recipe.epochs + 1):
        started, losses = time.perf_counter(), []
        crnn.train()
        for _ in range(batches):
            value = loss(crnn, draw(train, recipe, generator))
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(crnn.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(value.item())
        print(
            f"  epoch {epoch:3}/{recipe.epochs}  loss {np.mean(losses):.4f}  validation AU-FA-FR "
            f"offline {quality(crnn, validation):.2e}  {time.perf_counter() - started:.1f} s",
            flush=True,
        )


def draw(data: Seconds, recipe: Recipe, generator: torch.Generator) -> Batch:
    """Random seconds, a third of them with the keyword, glued at random."""
    share = torch.bincount(data.labels, minlength=2).double()
    weight = torch.tensor([2.0, 1.0], dtype=torch.float64) / share
    number = recipe.batch * recipe.glued
    chosen = torch.multinomial(weight[data.labels], number, replacement=True, generator=generator)
    features, shape = data.features[chosen], (recipe.batch, recipe.glued)
    return Batch(
        glue(features.reshape(*shape, *features.shape[1:])),
        data.labels[chosen].reshape(shape),
        data.spans[chosen].reshape(*shape, 2),
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


@torch.no_grad()
def quality(crnn: Crnn, data: Seconds) -> float:
    """AU-FA-FR of each second alone, at the prior 0.0305; smaller is better."""
    crnn.eval()
    logits = torch.cat([crnn(chunk) for chunk in data.features.split(500)])
    return au_fa_fr((logits[:, 1] - logits[:, 0]).numpy(), data.labels.numpy())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="speech-synthetic", choices=EPOCHS)
    parser.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export", action="store_true", help="from the weights of the last run")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:  # data that is missing, say: a sentence, not a traceback
        raise SystemExit(str(error)) from None
