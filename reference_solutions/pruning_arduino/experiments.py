"""The experiments of the report, from fixed seeds: every row of experiments.csv.

    python experiments.py                                   chat-synthetic
    python experiments.py --data tinychat --from FOLDER     tinychat/experiments.csv

Five seeds of one setting, pruning by 30 to 70% and by layer, 1, 2, 4 and mixed bits, narrow
networks, ternary and binary students of a teacher, a grid over training settings, and what the
teacher is worth. Accuracies are of the validation part; flash and cycles are measured. Run
train.py first: the first rows are the networks that it left.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import columns
import distill
import export
import numpy as np
import torch
from model import ENCODING, SIZES, ChatNet, to_integers
from prune import prune
from torch import Tensor
from torch.nn import functional
from train import Data, Recipe, fit

from grader import board
from grader.board.integer_network import IntegerNetwork, read
from grader.data import PairSet, load_pairs
from grader.data.text import chat
from grader.lesson import course
from grader.text.errors import GraderError, Rejected

HERE = Path(__file__).resolve().parent
PLAIN = course.assignments() / "pruning_arduino" / "baseline" / "firmware"
"""The plain runtime, which the starter has."""
GROUPS = ("seeds", "pruned", "distilled", "grid", "taught")
HALF = (0.5, 0.5, 0.5)
MEASURED = 20
COLUMNS = (
    *("name", "next_char_accuracy", "first_char_accuracy", "flash_bytes", "cycles_per_char"),
    *("sizes", "bits", "note"),
)


@dataclass(frozen=True)
class Row:
    name: str
    model: IntegerNetwork
    bits: str
    note: str = ""


def one_hot(answers: Tensor) -> Tensor:
    """(positions,) classes as (positions, 40) probabilities."""
    return functional.one_hot(answers, chat.CLASSES).float()


class Workshop:
    """Trains what a row asks for."""

    def __init__(self, learnt: PairSet, validation: PairSet) -> None:
        self.pairs = learnt
        self.train, self.validation = Data.of(learnt, ENCODING), Data.of(validation, ENCODING)
        self.recipe = Recipe(epochs=8)

    def rows(self, groups: Sequence[str]) -> Iterator[Row]:
        kinds = {
            "seeds": self._seeds,
            "pruned": self._pruned,
            "distilled": self._distilled,
            "grid": self._grid,
            "taught": self._taught,
        }
        for group in groups:
            yield from kinds[group]()

    def _seeds(self) -> Iterator[Row]:
        """One setting of the halved network, trained from scratch; only the seed changes."""
        for seed in range(5):
            yield self._halved(f"seed {seed}", replace(self.recipe, seed=seed))

    def _grid(self) -> Iterator[Row]:
        """The same with one setting changed at a time."""
        changes = {
            **{f"lr {rate:g}": {"learning_rate": rate} for rate in (2e-4, 5e-4, 1e-3, 5e-3)},
            **{f"patience {n}": {"patience": n} for n in (1, 2)},
            **{f"batch {n}": {"batch_size": n} for n in (32, 64, 256)},
            **{f"warm-up {n}": {"warmup_epochs": n} for n in (1, 4)},
        }
        for name, change in changes.items():
            yield self._halved(name, replace(self.recipe, **change))

    def _halved(self, name: str, recipe: Recipe) -> Row:
        torch.manual_seed(recipe.seed)
        network = self._fit(ChatNet(ENCODING, (128, 96, 64)), recipe)
        return self._quantized(name, network, (2, 2, 2, 2), recipe, "54k weights from scratch")

    def _pruned(self) -> Iterator[Row]:
        torch.manual_seed(0)
        network = self._fit(ChatNet(ENCODING, SIZES), self.recipe)
        yield self._quantized("unpruned 2 bits", network, (2, 2, 2, 2), self.recipe)
        ratios = {f"pruned {n}%": (n / 100,) * 3 for n in (30, 40, 50, 60, 70)}
        ratios |= {
            "pruned 70-50-30%": (0.7, 0.5, 0.3),
            "pruned 30-50-70%": (0.3, 0.5, 0.7),
        }
        for name, chosen in ratios.items():
            smaller = self._fit(prune(network, chosen), self.recipe)
            yield self._quantized(name, smaller, (2, 2, 2, 2), self.recipe)
        half = self._fit(prune(network, HALF), self.recipe)
        for bits in ((1, 1, 1, 1), (4, 4, 4, 4), (2, 2, 2, 4), (1, 2, 2, 4), (4, 1, 1, 4)):
            yield self._quantized(
                f"pruned 50%, bits {'-'.join(map(str, bits))}", half, bits, self.recipe
            )
        for hidden in ((128, 64, 32), (64, 32, 32), (96,)):
            torch.manual_seed(0)
            narrow = self._fit(ChatNet(ENCODING, hidden), self.recipe)
            name = "narrow " + "-".join(map(str, hidden))
            yield self._quantized(name, narrow, (2,) * (len(hidden) + 1), self.recipe)

    def _distilled(self) -> Iterator[Row]:
        short = replace(distill.TERNARY, epochs=20, invented=30_000)
        targets = distill.taught(self.pairs, short)
        real = len(self.pairs.positions)
        alone = distill.Targets(targets.positions[:real], targets.target[:real])
        longer = replace(short, epochs=60)
        yield self._ternary("ternary, taught on real questions only", alone, longer)
        for share in (0.15, 0.2, 0.27, 0.4):
            densities = (share, share + 0.05, share + 0.2)
            recipe = replace(short, densities=densities)
            yield self._ternary(f"ternary, {share:.0%} left", targets, recipe)
        for hidden in ((64, 32), (128, 64)):
            recipe = replace(short, hidden=hidden)
            yield self._ternary(f"ternary {'-'.join(map(str, hidden))}", targets, recipe)
        model = distill.student(targets, replace(distill.BINARY, epochs=20))
        yield Row("binary, distilled", model, "1", "30,000 invented questions")

    def _taught(self) -> Iterator[Row]:
        """What the teacher and the invented questions are worth: three ways, two seeds each, as
        many steps of training as the submitted network had."""
        recipe = distill.TERNARY
        targets = distill.taught(self.pairs, recipe)
        real = len(self.pairs.positions)
        longer = round(recipe.epochs * len(targets.positions) / real)
        answers = torch.tensor([one.next_char for one in targets.positions[:real]])
        ways = {
            "answers alone": (distill.Targets(targets.positions[:real], one_hot(answers)), longer),
            "teacher, real questions": (
                distill.Targets(targets.positions[:real], targets.target[:real]),
                longer,
            ),
            "teacher, invented questions": (targets, recipe.epochs),
        }
        for seed in (1, 2):
            for name, (taught, epochs) in ways.items():
                yield self._ternary(
                    f"{name}, seed {seed}", taught, replace(recipe, epochs=epochs, seed=seed)
                )

    def _fit(self, network: ChatNet, recipe: Recipe) -> ChatNet:
        with contextlib.redirect_stdout(io.StringIO()):
            return fit(network, self.train, self.validation, recipe)

    def _quantized(
        self, name: str, network: ChatNet, bits: tuple[int, ...], recipe: Recipe, note: str = ""
    ) -> Row:
        copied = prune(network, (0.0,) * (len(network.layers) - 1))  # the original stays float
        for layer, one in zip(copied.layers, bits, strict=True):
            layer.bits = one
        model = to_integers(self._fit(copied, recipe), self.train.counts)
        return Row(name, model, "-".join(map(str, bits)), note)

    def _ternary(self, name: str, targets: distill.Targets, recipe: distill.Recipe) -> Row:
        model = columns.round_biases(distill.student(targets, recipe))
        note = f"{len(targets.positions):,} questions".replace(",", " ")
        return Row(name, model, "ternary", note)


def final(folder: Path) -> Iterator[Row]:
    """The networks that train.py left."""
    yield Row("submitted", read((folder / "model.npz").read_bytes()), "ternary", "train.py")
    if folder.name == "tinychat":
        yield Row("binary", read((HERE / "binary" / "model.npz").read_bytes()), "1", "train.py")


def measured(row: Row, validation: PairSet) -> list[object]:
    """A line of the table; without flash and cycles where the program does not fit."""
    positions = validation.positions
    right = row.model.classes(positions) == np.array([one.next_char for one in positions])
    first = np.array([not one.context for one in positions])
    accuracies = [f"{right.mean():.4f}", f"{right[first].mean():.4f}"]
    sizes = "-".join(map(str, row.model.sizes))
    with tempfile.TemporaryDirectory() as folder:
        firmware = Path(folder) / "firmware"
        if row.bits == "ternary":
            shutil.copytree(HERE / "firmware", firmware)
            columns.write_header(row.model, firmware / "weights.h")
        else:
            shutil.copytree(PLAIN, firmware)
            export.write_header(row.model, firmware / "weights.h")
        try:
            image = board.build(firmware)
        except Rejected as error:
            return [row.name, *accuracies, "", "", sizes, row.bits, f"does not fit: {error}"[:60]]
    step = max(1, len(positions) // MEASURED)
    with board.Board(image) as uno:
        cycles = [uno.ask(f"{one.query}\t{one.context}").cycles for one in positions[::step]]
    spent = round(float(np.mean(cycles)))
    return [row.name, *accuracies, image.flash_bytes, spent, sizes, row.bits, row.note]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="chat-synthetic")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--groups", nargs="*", default=GROUPS, choices=GROUPS)
    parser.add_argument("--append", action="store_true", help="keep the rows that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    learnt, validation = (
        load_pairs(arguments.data, part, source=arguments.source)
        for part in ("train", "validation")
    )
    folder = HERE if arguments.data == "chat-synthetic" else HERE / arguments.data
    workshop = Workshop(learnt, validation)
    folder.mkdir(exist_ok=True)
    mode, rows = "a", workshop.rows(arguments.groups)
    if not arguments.append:
        mode, rows = "w", itertools.chain(final(folder), rows)
    with (folder / "experiments.csv").open(mode, encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not arguments.append:
            writer.writerow(COLUMNS)
        for row in rows:
            line = measured(row, validation)
            writer.writerow(line)
            file.flush()
            print(*line, sep=", ", flush=True)


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
