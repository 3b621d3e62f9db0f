"""Train, prune, quantize, and write `model.npz` and `firmware/weights.h`.

    python train.py                                  built-in pairs
    python train.py --name half --epochs 20          another experiment
    python train.py --data tinychat --from FOLDER    real pairs

Every run adds one row to experiments.csv.
"""

from __future__ import annotations

import argparse
import copy
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from export import write_header
from features import Encoding, encode
from integer_model import IntegerModel
from model import SIZES, ChatNet, keep_factors_positive, to_integers
from prune import prune
from torch import Tensor
from torch.nn import functional as F

from grader import board
from grader.data import load_pairs
from grader.data.text import chat
from grader.text.errors import GraderError

HERE = Path(__file__).resolve().parent

RATIOS = (0.0, 0.0, 0.0)  # TODO: a share of the units of each hidden layer
"""What structured pruning removes. Layers need not lose the same share."""
BITS = (2, 2, 2, 2)  # TODO: 1, 2 or 4 for each layer
MEASURED_POSITIONS = 30
"""Characters that the simulated board predicts for the cycles in experiments.csv."""


@dataclass(frozen=True)
class Recipe:
    """How to train."""

    epochs: int = 30
    learning_rate: float = 2e-3
    batch_size: int = 128
    warmup_epochs: int = 2
    """The learning rate rises for so long, and falls to 0 afterwards."""
    patience: int = 10
    """Epochs without a better validation accuracy before training ends."""
    dropout: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Data:
    """One part of a data set as tensors."""

    positions: tuple[chat.Position, ...]
    counts: Tensor
    """(positions, inputs), uint8."""
    answers: Tensor
    """(positions,), int64."""


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)  # small layers lose time to threads, and one thread repeats exactly
    encoding = Encoding()
    train, validation = (
        tensors(load_pairs(arguments.data, part, source=arguments.source), encoding)
        for part in ("train", "validation")
    )
    recipe = Recipe(epochs=arguments.epochs, seed=arguments.seed)
    torch.manual_seed(recipe.seed)
    network = ChatNet(encoding, SIZES)
    print("in float32")
    network = fit(network, train, validation, recipe)
    if any(RATIOS):
        print(f"pruned by {RATIOS}")
        network = fit(prune(network, RATIOS), train, validation, recipe)
    print(f"with {BITS} bits")
    for layer, bits in zip(network.layers, BITS, strict=True):
        layer.bits = bits
    network = fit(network, train, validation, recipe)
    model = to_integers(network, train.counts)
    model.save(HERE / "model.npz")
    write_header(model, HERE / "firmware" / "weights.h")
    record(arguments.name, model, validation)


def fit(network: ChatNet, train: Data, validation: Data, recipe: Recipe) -> ChatNet:
    """The network of the best epoch; `network` itself is changed."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    best, best_accuracy, waited = copy.deepcopy(network), 0.0, 0
    for epoch in range(recipe.epochs):
        started, losses = time.perf_counter(), []
        network.train()
        order = torch.randperm(len(train.answers), generator=generator)
        for batch in order.split(recipe.batch_size)[:-1]:
            _set_rate(optimizer, recipe, epoch + len(losses) * recipe.batch_size / len(order))
            logits = network(train.counts[batch].float(), recipe.dropout)
            # TODO: the answers alone are a weak teacher. Distil a larger network?
            loss = F.cross_entropy(logits, train.answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            keep_factors_positive(network)
            losses.append(loss.item())
        reached = accuracy(network, validation)
        print(
            f"  epoch {epoch + 1:3}/{recipe.epochs}  loss {np.mean(losses):.3f}  "
            f"validation {reached:.1%}  {time.perf_counter() - started:.1f} s",
            flush=True,
        )
        waited += 1
        if reached > best_accuracy:
            best, best_accuracy, waited = copy.deepcopy(network), reached, 0
        if waited >= recipe.patience:
            break
    return best


def _set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: float) -> None:
    """Up in a line, then down along a cosine."""
    if epoch < recipe.warmup_epochs:
        share = (epoch + 0.1) / recipe.warmup_epochs
    else:
        rest = max(recipe.epochs - recipe.warmup_epochs, 1)
        share = 0.5 * (1 + np.cos(np.pi * (epoch - recipe.warmup_epochs) / rest))
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * share


@torch.no_grad()
def accuracy(network: ChatNet, data: Data) -> float:
    """Share of positions whose next character is predicted."""
    network.eval()
    logits = torch.cat([network(batch.float()) for batch in data.counts.split(2000)])
    return float((logits.argmax(1) == data.answers).double().mean())


def integer_accuracy(model: IntegerModel, data: Data) -> float:
    """The same for the integer model, which is what the board computes."""
    return float((model.classes_of(data.counts.numpy()) == data.answers.numpy()).mean())


def record(name: str, model: IntegerModel, validation: Data) -> None:
    """Build and run the firmware, print what it takes, and add a row to experiments.csv."""
    reached = integer_accuracy(model, validation)
    print(f"integer model: {reached:.1%} of the next characters on validation")
    try:
        image = board.build(HERE / "firmware")
        cycles = cycles_per_character(image, model, validation)
    except GraderError as error:
        print(f"Not recorded. {error}")
        return
    bits = "-".join(map(str, BITS))
    sizes = "-".join(map(str, model.sizes))
    row = [name, f"{reached:.4f}", image.flash_bytes, round(cycles), sizes, bits, ""]
    with (HERE / "experiments.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)
    print(
        f"firmware: {image.flash_bytes:,} bytes of flash, {board.milliseconds(cycles):.2f} ms a "
        f"character. Added to experiments.csv as {name!r}."
    )


def cycles_per_character(image: board.Image, model: IntegerModel, data: Data) -> float:
    """Mean over some positions; says so when the board and the integer model disagree."""
    step = max(1, len(data.positions) // MEASURED_POSITIONS)
    cycles, positions = [], data.positions[::step]
    with board.Board(image) as uno:
        for position, char in zip(positions, model.classes(positions), strict=True):
            reply = uno.ask(f"{position.query}\t{position.context}")
            expected = "" if char == chat.END else chat.CHARSET[char]
            if reply.text != expected:
                print(f"{position}: the board says {reply.text!r}, integer_model.py {expected!r}")
            cycles.append(reply.cycles)
    return float(np.mean(cycles))


def tensors(pairs: chat.PairSet, encoding: Encoding) -> Data:
    positions = pairs.positions
    answers = [position.next_char for position in positions]
    return Data(positions, torch.from_numpy(encode(positions, encoding)), torch.tensor(answers))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--data", default="chat-synthetic")
    parser.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="first", help="of the row in experiments.csv")
    return parser.parse_args()


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:  # data that is missing, say: a sentence, not a traceback
        raise SystemExit(str(error)) from None
