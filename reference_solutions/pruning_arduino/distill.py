"""A student that learns from the teacher (teacher.py), with ternary or binary weights.

The teacher answers the training questions and 60,000 invented ones (augment.py); the student
learns from its answers with ternary weights of which more and more are zero, or with binary ones.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import columns
import export
import numpy as np
import teacher
import torch
from augment import invented
from model import ChatNet, keep_factors_positive, to_integers
from torch import Tensor
from torch.nn import functional as F

from grader.board.integer_network import Encoding, IntegerNetwork, encode
from grader.data import PairSet, Position
from grader.lesson import course

PLAIN_RUNTIME = ("main.c", "features.c", "features.h", "firmware.ino")
"""Files that `binary/`, whose network.c is the plain one, has in common with `firmware/`."""
EXAMPLES = 10_000
"""Positions on which the scale of the integers is chosen."""


@dataclass(frozen=True)
class Recipe:
    """One student."""

    hidden: tuple[int, ...] = (96, 48)
    encoding: Encoding = field(default_factory=lambda: Encoding(128, 64, 4))
    """Four characters of context are enough: replies are short."""
    densities: tuple[float, ...] | None = (0.27, 0.3, 0.45)
    """Share of weights that are not zero, by layer; None for binary weights."""
    invented: int = 60_000
    epochs: int = 60
    learning_rate: float = 3e-3
    batch_size: int = 256
    teacher_share: float = 0.5
    """Of the target on real questions; the rest is the real answer."""
    dense_share: float = 0.5
    """Of the training in which weights are still being removed."""
    seed: int = 0


WEIGHT_RANGE = 1.5
"""Binary weights are clipped to this range: the sign of a weight far from 0 would never change."""
EPOCHS_PER_LINE = 10
"""Training prints one line in this many epochs."""

TERNARY = Recipe()
BINARY = Recipe(hidden=(96, 64), densities=None)


@dataclass(frozen=True)
class Targets:
    """What a student is trained on: contexts and the probabilities of the next character."""

    positions: list[Position]
    """Those of the data set first, then invented ones."""
    target: Tensor
    """(positions, 40), probabilities."""


def train_submitted(here: Path, train: PairSet, validation: PairSet) -> None:
    """Train the networks that are submitted for this data set; write them with their firmware.

    For chat-synthetic to the folder `here`; for tinychat to tinychat/ in it and, with weights of
    1 bit, to binary/.
    """
    runtime = here / "firmware"
    targets = taught(train, TERNARY)
    network = columns.round_biases(student(targets, TERNARY))
    _report("ternary", network, validation)
    _write_sparse(network, runtime, here if train.name == "chat-synthetic" else here / train.name)
    if train.name == "tinychat":
        network = student(targets, BINARY)
        _report("binary", network, validation)
        _write_rows(network, runtime, here / "binary")


def taught(train: PairSet, recipe: Recipe) -> Targets:
    """Let the teacher answer; it is trained once and kept in the cache of the data sets."""
    kept = course.cache_root() / "teachers" / f"{train.name}-{train.fingerprint[:16]}.ckpt"
    members = teacher.load_or_train(train.positions, kept)
    positions = [*train.positions, *invented(train.pairs, recipe.invented, recipe.seed + 1)]
    target = teacher.probabilities(members, positions)
    real = torch.tensor([position.next_char for position in train.positions])
    share = recipe.teacher_share
    target[: len(real)] = share * target[: len(real)] + (1 - share) * F.one_hot(real, 40)
    return Targets(positions, target)


def student(targets: Targets, recipe: Recipe) -> IntegerNetwork:
    """Train with quantized weights from the first step on; the result is an integer network."""
    torch.manual_seed(recipe.seed)
    network = ChatNet(recipe.encoding, recipe.hidden)
    for layer in network.layers:
        layer.bits = 1
        layer.weight.data.uniform_(-1, 1)
    counts = torch.from_numpy(encode(targets.positions, recipe.encoding))
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    batches = len(counts) // recipe.batch_size
    steps = recipe.epochs * batches
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.1
    )
    network.train()
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(counts))
        for number in range(batches):
            _prune(network, recipe, (epoch * batches + number) / steps)
            batch = order[number * recipe.batch_size : (number + 1) * recipe.batch_size]
            loss = _cross_entropy(network(counts[batch].float()), targets.target[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
            keep_factors_positive(network)
            if recipe.densities is None:
                _clip_weights(network)
            if number == 0 and epoch % EPOCHS_PER_LINE == 0:
                print(
                    f"  student: epoch {epoch} of {recipe.epochs}, loss {loss.item():.3f}",
                    flush=True,
                )
    _prune(network, recipe, 1.0)
    return to_integers(network, counts[:EXAMPLES])


def _cross_entropy(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Mean over the batch; both are (batch, 40)."""
    return -(probabilities * F.log_softmax(logits, 1)).sum(1).mean()


def _clip_weights(network: ChatNet) -> None:
    """Keep binary weights near 0, so that their signs can still change."""
    for layer in network.layers:
        layer.weight.data.clamp_(-WEIGHT_RANGE, WEIGHT_RANGE)


def _prune(network: ChatNet, recipe: Recipe, progress: float) -> None:
    """Lower the share of weights kept, along the cubic schedule of Zhu and Gupta 2017."""
    left = (1 - min(1.0, progress / recipe.dense_share)) ** 3
    for layer, density in zip(network.layers, recipe.densities or (), strict=False):
        layer.density = density + (1 - density) * left


def _report(name: str, network: IntegerNetwork, validation: PairSet) -> None:
    weights = sum(layer.weight.size for layer in network.layers)
    kept = sum(int(np.count_nonzero(layer.weight)) for layer in network.layers)
    answers = [position.next_char for position in validation.positions]
    reached = (network.classes(validation.positions) == answers).mean()
    print(
        f"{name}: {'-'.join(map(str, network.sizes))}, {weights:,} weights, {kept:,} not zero; "
        f"{reached:.1%} of the next characters on validation"
    )


def _write_sparse(network: IntegerNetwork, runtime: Path, folder: Path) -> None:
    """model.npz and the firmware with the column runtime."""
    firmware = folder / "firmware"
    if firmware != runtime:
        shutil.copytree(runtime, firmware, dirs_exist_ok=True)
    network.save(folder / "model.npz")
    columns.write_header(network, firmware / "weights.h")


def _write_rows(network: IntegerNetwork, runtime: Path, folder: Path) -> None:
    """model.npz and the firmware with the row runtime, which is in `binary/` already."""
    firmware = folder / "firmware"
    firmware.mkdir(parents=True, exist_ok=True)
    for name in PLAIN_RUNTIME:
        shutil.copyfile(runtime / name, firmware / name)
    network.save(folder / "model.npz")
    export.write_header(network, firmware / "weights.h")
