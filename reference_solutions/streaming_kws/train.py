"""Train the detector for a stream and write `model.onnx`, `model.ts` and `offline.onnx`.

    python train.py                                     model.onnx and the others
    python train.py --data fsdd --from path/to/fsdd     fsdd/model.onnx ..., real recordings
    python train.py --export                            write the files again, without training

What is trained is the offline network, on what it will meet in a stream: seconds glued one
after another through which the GRU's state is carried, and the question asked after every step
and not at the ends of clips only. One thread and a fixed seed repeat the files bit by bit with
the same torch on the same kind of processor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from augment import augment
from export import export_all, on_grid
from frontend import log_mel, tables
from offline import SMALL, Crnn
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
WINDOW = 10
Loss = Callable[[Crnn, "Batch"], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: int = 40
    learning_rate: float = 3e-3
    """The peak of a one-cycle schedule."""
    weight_decay: float = 1e-4
    batch: int = 32
    """Sequences."""
    glued: int = 4
    """Seconds in a sequence."""
    seed: int = 0


RECIPES = {
    "speech-synthetic": Recipe(),
    # A third of the seconds, so three times the epochs; and longer sequences: between the words of
    # fsdd nothing is heard, and in four seconds the GRU does not learn to forget in silence.
    "fsdd": Recipe(epochs=120, batch=12, glued=12),
}


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
    folder = HERE if arguments.data == "speech-synthetic" else HERE / arguments.data
    folder.mkdir(exist_ok=True)
    weights = HERE / f"weights-{arguments.data}.pt"
    torch.manual_seed(arguments.seed)
    crnn = Crnn(SMALL)
    if arguments.export:
        crnn.load_state_dict(torch.load(weights, weights_only=True))
    else:
        with Reporter() as progress:
            train, validation = (
                seconds(
                    tracks.load(arguments.data, part, source=arguments.source, progress=progress)
                )
                for part in ("train", "validation")
            )
        recipe = replace(RECIPES[arguments.data], seed=arguments.seed)
        recipe = replace(recipe, epochs=arguments.epochs or recipe.epochs)
        fit(crnn, train, validation, stream_loss, recipe, varied=True)
        torch.save(crnn.state_dict(), weights)
    on_grid(crnn)  # the weights as int8 will store them, so that every form has the same
    export_all(crnn, StreamingKws(crnn, max_window_length=WINDOW), folder, storage="int8")


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


def fit(
    crnn: Crnn,
    train: Seconds,
    validation: Seconds,
    loss: Loss,
    recipe: Recipe,
    *,
    varied: bool,
) -> None:
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
            value = loss(crnn, draw(train, recipe, generator, varied=varied))
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(crnn.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(value.item())
        stream, offline = quality(crnn, validation)
        print(
            f"  epoch {epoch:3}/{recipe.epochs}  loss {np.mean(losses):.4f}  validation AU-FA-FR "
            f"in the stream {stream:.2e}, offline {offline:.2e}  "
            f"{time.perf_counter() - started:.1f} s",
            flush=True,
        )


def draw(data: Seconds, recipe: Recipe, generator: torch.Generator, *, varied: bool) -> Batch:
    """Random seconds, a third of them with the keyword, glued at random."""
    share = torch.bincount(data.labels, minlength=2).double()
    weight = torch.tensor([2.0, 1.0], dtype=torch.float64) / share
    number = recipe.batch * recipe.glued
    chosen = torch.multinomial(weight[data.labels], number, replacement=True, generator=generator)
    features, spans = data.features[chosen], data.spans[chosen]
    if varied:
        features, spans = augment(features, spans, generator)
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


def windows(crnn: Crnn, features: Tensor, window: int = WINDOW) -> Tensor:
    """Logits (sequences, steps, 2) after every step, as the stream gives them."""
    states = crnn.steps(features)
    energies = F.pad(crnn.energy(states).squeeze(2), (window - 1, 0), value=-1e9)
    padded = F.pad(states, (0, 0, window - 1, 0))
    attention = energies.unfold(1, window, 1).softmax(2)  # (sequences, steps, window)
    context = torch.einsum("stw,sthw->sth", attention, padded.unfold(1, window, 1))
    return crnn.classifier(context)


def stream_loss(crnn: Crnn, batch: Batch) -> Tensor:
    """Cross-entropy over the steps at which the answer is known."""
    logits = windows(crnn, batch.features)
    target = targets(batch, logits.shape[1], crnn.config.kernel[1], crnn.config.stride[1])
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1)


def targets(batch: Batch, steps: int, kernel: int, stride: int) -> Tensor:
    """(sequences, steps): 1 while a whole keyword is in the window, 0 while there is none of it,
    -1 (not asked) while it is being said or leaving the window."""
    now = stride * torch.arange(steps) + kernel - 1
    window = stride * (WINDOW - 1) + kernel
    target = torch.zeros(len(batch.labels), steps, dtype=torch.int64)
    for place in range(batch.labels.shape[1]):
        spoken = batch.labels[:, place, None] == 1
        begin = batch.spans[:, place, :1] + HOPS * place
        end = batch.spans[:, place, 1:] + HOPS * place
        touched = spoken & (now >= begin) & (now <= end + window)
        # A frame sees 25 ms: half a step after its last sample the word is complete.
        inside = spoken & (now >= end + 2) & (now - window <= begin)
        # Nothing is asked where the end has been heard but the window has begun to lose it.
        target = torch.where(inside, 1, torch.where(touched & (target != 1), -1, target))
    return target


def clip_loss(crnn: Crnn, batch: Batch) -> Tensor:
    """The seminar's: every second for itself, from a zero state."""
    cut = batch.features.unfold(2, FRAMES, HOPS)  # (sequences, 40, glued, 98)
    logits = crnn(cut.transpose(1, 2).flatten(0, 1))
    return F.cross_entropy(logits, batch.labels.flatten())


@torch.no_grad()
def quality(crnn: Crnn, data: Seconds) -> tuple[float, float]:
    """AU-FA-FR at the ends of the seconds of one long stream, and of each second alone."""
    crnn.eval()
    last = len(data.labels)
    logits = windows(crnn, glue(data.features.unsqueeze(0)))[0]
    ends = torch.arange(1, last + 1) * HOPS - 3
    step = (ends - crnn.config.kernel[1] + 1) // crnn.config.stride[1]
    alone = torch.cat([crnn(chunk) for chunk in data.features.split(500)])
    labels = data.labels.numpy()
    return tuple(
        au_fa_fr((found[:, 1] - found[:, 0]).numpy(), labels) for found in (logits[step], alone)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="speech-synthetic", choices=RECIPES)
    parser.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    parser.add_argument("--epochs", type=int, help="default: see RECIPES")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export", action="store_true", help="from the weights of the last run")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
