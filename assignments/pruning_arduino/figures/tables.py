"""The measured tables of the Arduino handout, in both languages.

    python assignments/pruning_arduino/figures/tables.py --from FOLDER [--write] [--only NAME ...]

FOLDER holds tinychat (training-data.txt.gz and model.npz). Eight tables: a formula beside the
board; what a split by pair leaks; what an interval costs; how many bytes the published network
needs in several codes; the two runtimes; the luck of a seed; what a teacher is worth, as recorded
in tinychat/experiments.csv; the reference solutions. With
`--write` each replaces the text between its two markers in
assignments/pruning_arduino/handout.{ru,en}.md. Takes a minute or two on one core.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from grader import board, data, grading
from grader.board import firmware, integer_network
from grader.board.integer_network import IntegerNetwork
from grader.data import Pair, Position
from grader.data.text import chat, tinychat
from grader.handout.figures import Table, count, plain, project, publish
from grader.lesson import course, loading
from grader.measure.quality.classification import clustered, wilson
from grader.text import Text, verbatim

NAME = "pruning_arduino"
LESSON = course.assignments() / NAME
REFERENCE = course.reference_solutions() / NAME
PLAIN = LESSON / "baseline" / "firmware"
SEED = "handout"
SPLITS = 20
RUNS, EPOCHS = 5, 25
MEASURED = 60
"""Characters that a runtime is timed on."""
REPORTED = ((256, 256, 192, 128, 39), (256, 128, 96, 64, 39))


@dataclass(frozen=True)
class Material:
    """What the tables are made from."""

    source: Path
    pairs: tuple[Pair, ...]
    hidden: tuple[Position, ...]
    published: IntegerNetwork

    @classmethod
    def load(cls, source: Path) -> Material:
        parts = [data.load_pairs(tinychat.NAME, part, source=source) for part in data.PARTS]
        return cls(
            source,
            tuple(pair for part in parts for pair in part.pairs),
            parts[-1].positions,
            integer_network.read_published(tinychat.published_model(source)),
        )


# Formula and board --------------------------------------------------------------------------


def estimates(material: Material) -> Table:
    """The formula of a report, and the plain runtime on the same shapes."""
    del material
    rows = []
    for name, sizes in zip(
        (Text("unpruned"), Text("half the units")),
        REPORTED,
        strict=True,
    ):
        guess = firmware.estimate(sizes)
        flash, cycles = _plain_costs(sizes)
        weights = sum(a * b for a, b in pairwise(sizes))
        rows.append(
            (
                Text("{name}, {joined}", name=name, joined=_joined(sizes)),
                count(guess.flash_bytes),
                count(flash),
                plain(f"{guess.milliseconds:.2f}"),
                plain(f"{board.milliseconds(cycles):.2f}"),
                plain(f"{cycles / weights:.1f}"),
            )
        )
    return Table(
        header=(
            Text("network"),
            Text("flash by formula"),
            Text("measured"),
            Text("ms by formula"),
            Text("measured"),
            Text("cycles a weight"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the plain 2-bit runtime on the simulated board. The formula takes 62 "
            "cycles a weight and counts no code."
        ),
    )


def _plain_costs(sizes: Sequence[int]) -> tuple[int, float]:
    """Flash and cycles a character of the plain runtime; its time does not depend on weights."""
    layers = tuple(
        integer_network.Layer(
            np.ones((outputs, inputs), np.int8),
            np.ones(outputs, np.int16),
            np.ones(outputs, np.uint8),
        )
        for inputs, outputs in pairwise(sizes)
    )
    network = IntegerNetwork(integer_network.Encoding(sizes[0] // 2, sizes[0] // 2, 8), layers)
    autograder: Any = loading.load(NAME).autograder
    image, missing = autograder.plain_image(network, PLAIN)
    with board.Board(image) as uno:
        return image.flash_bytes + missing, float(uno.ask("how are you\t").cycles)


# The split ----------------------------------------------------------------------------------


def leaks(material: Material) -> Table:
    """Random splits by pair and by query, and what copying the nearest query's reply gets."""
    rng = np.random.default_rng(0)
    vectors = _unit_counts(material.pairs)
    firsts = np.array([pair.reply[0] for pair in material.pairs])
    queries = np.unique([pair.query for pair in material.pairs], return_inverse=True)[1]
    rows = []
    for name, groups in (
        (Text("by pair"), np.arange(len(queries))),
        (Text("by query"), queries),
    ):
        seen, right = [], []
        for _ in range(SPLITS):
            chosen = rng.permutation(groups.max() + 1)[: round(0.2 * (groups.max() + 1))]
            test = np.isin(groups, chosen)
            seen.append(np.isin(queries[test], queries[~test]).mean())
            nearest = (vectors[test] @ vectors[~test].T).argmax(axis=1)
            right.append((firsts[~test][nearest] == firsts[test]).mean())
        rows.append((name, _percent(float(np.mean(seen))), _percent(float(np.mean(right)))))
    return Table(
        header=(
            Text("split"),
            Text("validation queries seen in training"),
            Text("first character, 1 nearest neighbour"),
        ),
        rows=rows,
        caption=Text(
            "Measured: {pairs_count:,} pairs of tinychat, {count:,} distinct queries, mean of "
            "{splits} random splits 80:20.",
            pairs_count=len(material.pairs),
            count=len(set(queries)),
            splits=SPLITS,
        ),
    )


def _unit_counts(pairs: Sequence[Pair]) -> np.ndarray:
    encoding = integer_network.Encoding(1024, 1, 1)
    asked = [Position(pair.query, "", 0) for pair in pairs]
    counts = integer_network.encode(asked, encoding)[:, :1024].astype(np.float32)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


# Intervals ----------------------------------------------------------------------------------


def intervals(material: Material) -> Table:
    """The width of the interval of the next-character accuracy, and the price of asking."""
    network = integer_network.read((REFERENCE / "tinychat" / "model.npz").read_bytes())
    right = network.classes(material.hidden) == [one.next_char for one in material.hidden]
    queries = [position.query for position in material.hidden]
    distinct = list(dict.fromkeys(queries))
    rng = np.random.default_rng(0)
    rows = []
    for share in (1 / 12, 1 / 6, 1 / 3, 2 / 3, 1.0):
        widths, counts = [], []
        for _ in range(SPLITS):
            chosen = set(rng.permutation(distinct)[: round(share * len(distinct))])
            inside = np.array([query in chosen for query in queries])
            kept = [query for query in queries if query in chosen]
            _, (low, high) = clustered(right[inside], kept)
            widths.append((high - low) / 2)
            counts.append(int(inside.sum()))
        count = round(float(np.mean(counts)))
        naive = wilson(float(right.mean()), count)
        rows.append(
            (
                count(count),
                count(round(share * len(distinct))),
                plain(f"±{100 * np.mean(widths):.1f}"),
                plain(f"±{50 * (naive[1] - naive[0]):.1f}"),
                plain(f"{count * 15e-3 * board.CLOCK_HZ / 100e6:.1f}"),
            )
        )
    return Table(
        header=(
            Text("positions"),
            Text("queries"),
            Text("95%, by query"),
            Text("if independent"),
            Text("seconds to ask the board"),
        ),
        rows=rows,
        caption=Text(
            "Percentage points. Last column: a firmware of 15 ms a character on a simulator of "
            "100 MHz."
        ),
    )


# Codes --------------------------------------------------------------------------------------


def codes(material: Material) -> Table:
    """Bytes for the weights of the published network."""
    weights = [layer.weight for layer in material.published.layers]
    values = np.concatenate([weight.ravel() for weight in weights])
    columns = _columns()
    shares = np.array(list(Counter(values.tolist()).values())) / len(values)
    rows = [
        (verbatim("int8"), len(values)),
        (Text("2 bits each"), sum(-(-w.size // 4) for w in weights)),
        (
            Text("columns of nibbles"),
            sum(len(columns.column(column)) for weight in weights for column in weight.T),
        ),
        (Text("Huffman, one code"), _huffman(values)),
        (
            Text("entropy"),
            math.ceil(float(-(shares * np.log2(shares)).sum()) * len(values) / 8),
        ),
    ]
    return Table(
        header=(
            Text("code"),
            Text("bytes"),
            Text("bits a weight"),
        ),
        rows=[(name, count(size), plain(f"{8 * size / len(values):.2f}")) for name, size in rows],
        caption=Text(
            "Measured: the published network, {values_count:,} weights from -2 to 1, {mean:.0%} "
            "of them zero.",
            values_count=len(values),
            mean=np.mean(values == 0),
        ),
    )


def _huffman(values: np.ndarray) -> int:
    """Bytes with the best prefix code of single weights: 4 levels, so lengths 1, 2, 3, 3 or 2s."""
    counts = sorted(Counter(values.tolist()).values(), reverse=True)
    bits = 0
    while len(counts) > 1:
        merged = counts.pop() + counts.pop()
        bits += merged
        counts = sorted([*counts, merged], reverse=True)
    return math.ceil(bits / 8)


# Runtimes -----------------------------------------------------------------------------------


def runtimes(material: Material) -> Table:
    """The published network, row by row and column by column."""
    network = material.published
    weights = sum(layer.weight.size for layer in network.layers)
    plain_flash, plain_cycles = _plain_costs(network.sizes)
    with tempfile.TemporaryDirectory() as folder:
        image = _sparse_image(network, Path(folder))
    cycles = _timed(image, network, material.hidden)
    rows = []
    for name, flash, taken in (
        (Text("rows, every weight"), plain_flash, plain_cycles),
        (Text("columns, no zeros"), image.flash_bytes, cycles),
    ):
        rows.append(
            (
                name,
                count(flash),
                Text("yes") if flash <= board.MAX_FLASH_BYTES else Text("no"),
                plain(f"{board.milliseconds(taken):.2f}"),
                plain(f"{taken / weights:.2f}"),
            )
        )
    return Table(
        header=(
            Text("runtime"),
            Text("flash, B"),
            Text("fits"),
            Text("ms a character"),
            Text("cycles a weight"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the published network, unpruned, {weights:,} weights; every answer of the "
            "column runtime equals the integer model ({measured} characters).",
            weights=weights,
            measured=MEASURED,
        ),
    )


def _sparse_image(network: IntegerNetwork, folder: Path) -> board.Image:
    columns = _columns()
    header = folder / "weights.h"
    columns.write_header(network, header)
    sources = {
        path.name: path.read_bytes()
        for path in (REFERENCE / "firmware").iterdir()
        if path.name != "weights.h"
    }
    return board.build(sources | {"weights.h": header.read_bytes()})


def _timed(image: board.Image, network: IntegerNetwork, positions: Sequence[Position]) -> float:
    chosen = positions[:: len(positions) // MEASURED][:MEASURED]
    expected = network.classes(chosen)
    cycles = []
    with board.Board(image) as uno:
        for position, answer in zip(chosen, expected, strict=True):
            reply = uno.ask(firmware.line_of(position))
            if reply.text != integer_network.character(int(answer)):
                raise SystemExit(f"the board and the integer model differ at {position}")
            cycles.append(reply.cycles)
    return float(np.mean(cycles))


def _columns() -> ModuleType:
    """The reference's columns.py."""
    return project(REFERENCE, "columns").columns


# Luck ---------------------------------------------------------------------------------------


def seeds(material: Material) -> Table:
    """The report's experiment again: only the first character, split by pair, the best epoch
    chosen on the data that is reported; five seeds of each network."""
    rows = []
    for name, hidden in (
        (verbatim("256-256-192-128"), (256, 192, 128)),
        (Text("half the units"), (128, 96, 64)),
    ):
        reached = [_first_character(material.pairs, hidden, seed) for seed in range(RUNS)]
        tested = round(0.2 * len(material.pairs))
        low, high = wilson(float(np.mean(reached)), tested)
        rows.append(
            (
                name,
                _percent(min(reached)),
                _percent(float(np.mean(reached))),
                _percent(max(reached)),
                plain(f"{100 * low:.1f}–{100 * high:.1f}"),
            )
        )
    return Table(
        header=(
            Text("network"),
            Text("worst seed"),
            Text("mean"),
            Text("best seed"),
            Text("95% of one run"),
        ),
        rows=rows,
        caption=Text(
            "Measured: first character of the reply, tinychat split by pair, {runs} seeds (of "
            "split and of weights), {epochs} epochs, the best epoch by the tested pairs "
            "themselves, as reports like to have it.",
            runs=RUNS,
            epochs=EPOCHS,
        ),
    )


def _first_character(pairs: Sequence[Pair], hidden: Sequence[int], seed: int) -> float:
    """Accuracy of the best epoch."""
    model = project(course.student_template() / NAME, "model").model
    torch.manual_seed(seed)
    asked = [Position(pair.query, "", chat.CHARSET.index(pair.reply[0])) for pair in pairs]
    counts = torch.from_numpy(integer_network.encode(asked, model.ENCODING)).float()
    answers = torch.tensor([position.next_char for position in asked])
    order = torch.randperm(len(asked))
    tested, learnt = order[: round(0.2 * len(order))], order[round(0.2 * len(order)) :]
    network, best = model.ChatNet(model.ENCODING, hidden), 0.0
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(EPOCHS):
        network.train()
        for batch in learnt[torch.randperm(len(learnt))].split(64):
            loss = functional.cross_entropy(network(counts[batch], 0.2), answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            right = network(counts[tested]).argmax(1) == answers[tested]
        best = max(best, float(right.float().mean()))
    return best


# Teachers -----------------------------------------------------------------------------------

_WAYS = {
    "answers alone": Text("the answers alone"),
    "teacher, real questions": Text("with a teacher, real questions"),
    "teacher, invented questions": Text("with a teacher, invented questions as well"),
}


def taught(material: Material) -> Table:
    """What a teacher is worth, from the recorded experiments."""
    del material
    path = REFERENCE / "tinychat" / "experiments.csv"
    with path.open(encoding="utf-8", newline="") as file:
        found = {row["name"]: float(row["next_char_accuracy"]) for row in csv.DictReader(file)}
    rows = []
    for way, name in _WAYS.items():
        reached = [found[f"{way}, seed {seed}"] for seed in (1, 2)]
        rows.append((name, *map(_percent, reached), _percent(float(np.mean(reached)))))
    return Table(
        header=(
            Text("taught by"),
            Text("seed 1"),
            Text("seed 2"),
            Text("mean"),
        ),
        rows=rows,
        caption=Text(
            "Measured: next character on the validation part of tinychat, ternary 192-96-48-40, "
            "as many steps of training for each (experiments.py of the reference solution)."
        ),
    )


# References ---------------------------------------------------------------------------------


def references(material: Material) -> Table:
    """What the reference solutions reach on hidden queries."""
    spec = loading.load(NAME)
    rows = []
    for name, folder, data_name in (
        (
            Text("ternary, chat-synthetic"),
            REFERENCE,
            "chat-synthetic",
        ),
        (Text("ternary, tinychat"), REFERENCE / "tinychat", "tinychat"),
        (Text("binary, tinychat"), REFERENCE / "binary", "tinychat"),
    ):
        source = material.source if data_name == "tinychat" else None
        exam = grading.prepare(spec, "hidden", data=data_name, source=source, seed=SEED)
        grade, fault = grading.grade(exam, folder, folder.name)
        if fault or grade.gate is None:
            raise SystemExit(f"{folder}: {grade.reason} {fault}")
        values = {key: one.value for key, one in grade.measurements.items()}
        low, high = grade.gate.interval
        rows.append(
            (
                name,
                count(round(values["flash_bytes"])),
                count(round(values["sram_bytes"])),
                plain(f"{values['ms_per_char']:.2f}"),
                _percent(values["next_char_accuracy"]),
                plain(f"{100 * low:.1f}–{100 * high:.1f}"),
                plain(f"{grade.score:.2f}"),
            )
        )
    return Table(
        header=(
            Text("network"),
            Text("flash, B"),
            Text("SRAM, B"),
            Text("ms a character"),
            Text("next character"),
            verbatim("95%"),
            Text("score"),
        ),
        rows=rows,
        caption=Text("Measured: by the autograder on hidden queries."),
    )


# Printing and writing -----------------------------------------------------------------------

FIGURES: dict[str, Callable[[Material], Table]] = {
    "estimates": estimates,
    "leaks": leaks,
    "intervals": intervals,
    "codes": codes,
    "runtimes": runtimes,
    "seeds": seeds,
    "taught": taught,
    "references": references,
}


def _percent(share: float) -> Text:
    return plain(f"{100 * share:.1f}%")


def _joined(sizes: Sequence[int]) -> str:
    return "-".join(map(str, sizes))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="fill in both handouts")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    material = Material.load(options.source)
    for name in options.only:
        publish(LESSON, name, FIGURES[name](material), write=options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
