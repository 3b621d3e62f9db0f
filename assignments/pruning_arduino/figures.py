"""Figures of one network on the board: cycles, what was pruned, memory, replies, confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from grader import board
from grader.board import firmware
from grader.board.firmware import Conversation
from grader.board.image import Memory
from grader.board.integer_network import IntegerNetwork
from grader.data.text.chat import CHARSET, CLASSES, END, Pair, Position
from grader.lesson.grades import Axis, Figure, Series
from grader.text import EMPTY, Text, verbatim

SYMBOLS = 12
"""Functions and tables of a memory with a row of their own."""
REPLIES = 24


def cycles_by_layer(network: IntegerNetwork, talk: Conversation) -> Figure:
    """Cycles between the layers' markers; layer -1 is what comes before the first."""
    spent: Counter[int] = Counter()
    for one in talk.characters:
        for inference in one.reply.inferences:
            for layer, cycles in inference.layer_cycles().items():
                spent[layer] += cycles
    dense = [firmware.estimate(pair).cycles for pair in pairwise(network.sizes)]
    layers = sorted({*spent, *range(len(dense))})
    row = {layer: float(index) for index, layer in enumerate(layers)}
    count = len(talk.characters)
    return Figure(
        name="cycles_by_layer",
        title=Text("Cycles by layer"),
        kind="bars",
        x=Axis(Text("cycles a character"), "", "log"),
        y=Axis(Text("layer")),
        series=[
            Series(
                label=Text("measured"),
                role="submission",
                x=[spent[layer] / count for layer in sorted(spent)],
                y=[row[layer] for layer in sorted(spent)],
            ),
            Series(
                label=Text("estimated by formula"),
                role="reference",
                x=[float(cycles) for cycles in dense],
                y=[row[layer] for layer in range(len(dense))],
            ),
        ],
        caption=Text(
            "Measured between the firmware's own markers. The formula, 62 cycles a weight and 10 "
            "an output, knows nothing of zeros or of the program."
        ),
        rows=[_layer(network, layer) for layer in layers],
    )


def what_was_pruned(network: IntegerNetwork) -> Figure:
    """Pruned units and zero weights by layer."""
    unpruned = (256, 256, 192, 128)
    kept = [
        100 * size / unpruned[index]
        for index, size in enumerate(network.sizes[:-1])
        if index < len(unpruned)
    ]
    weights = [
        100 * float(np.count_nonzero(layer.weight)) / layer.weight.size for layer in network.layers
    ]
    return Figure(
        name="what_was_pruned",
        title=Text("What is left of each layer"),
        kind="bars",
        x=Axis(Text("left"), "%"),
        y=Axis(Text("layer")),
        series=[
            Series(
                label=Text("weights that are not zero"),
                role="submission",
                x=weights,
                y=[float(index) for index in range(len(weights))],
            ),
            Series(
                label=Text("inputs, of 256-256-192-128"),
                role="reference",
                x=kept,
                y=[float(index) for index in range(len(kept))],
            ),
        ],
        rows=[_layer(network, index) for index in range(len(network.layers))],
    )


def _layer(network: IntegerNetwork, index: int) -> Text:
    if index < 0:
        return Text("features")
    if index >= len(network.layers):
        return Text("layer {index}", index=index)
    outputs, inputs = network.layers[index].weight.shape
    return verbatim(f"{index}: {inputs} → {outputs}")


def flash_map(image: board.Image) -> Figure:
    """Flash by function and table, and the free part."""
    symbols = _symbols(image, "flash")
    others = image.flash_bytes - sum(size for _, size in symbols)
    return _memory_map(
        "memory_map",
        Text("Flash, by function and table"),
        [*symbols, (_OTHERS, max(others, 0))],
        board.MAX_FLASH_BYTES - image.flash_bytes,
        Text(
            "The {symbols} largest functions and tables; of {flash:,} bytes the bootloader keeps "
            "{bootloader}.",
            symbols=SYMBOLS,
            flash=32_768,
            bootloader=32_768 - board.MAX_FLASH_BYTES,
        ),
    )


def sram_map(image: board.Image, talk: Conversation) -> Figure:
    """SRAM by variable, the deepest stack, and the free part."""
    symbols = _symbols(image, "sram")
    others = image.static_bytes - sum(size for _, size in symbols)
    stack = Text("stack")
    return _memory_map(
        "memory_map_sram",
        Text("SRAM, by variable"),
        [*symbols, (_OTHERS, max(others, 0)), (stack, talk.stack_bytes)],
        board.SRAM_BYTES - image.static_bytes - talk.stack_bytes,
        Text("The stack is as deep as it got while the board was asked."),
    )


_OTHERS = Text("all others")


def _symbols(image: board.Image, memory: Memory) -> list[tuple[Text, int]]:
    """The largest symbols and their bytes; of several names at one address the first counts."""
    first = {one.address: one for one in reversed(image.largest(memory, len(image.symbols)))}
    largest = sorted(first.values(), key=lambda one: (-one.size, one.address))[:SYMBOLS]
    kinds = {"code": Text("code"), "data": Text("data")}
    return [
        (Text("{name} ({kind})", name=one.name, kind=kinds[one.kind]), one.size) for one in largest
    ]


def _memory_map(
    name: str, title: Text, taken: list[tuple[Text, int]], free: int, caption: Text
) -> Figure:
    taken = [(label, size) for label, size in taken if size]
    return Figure(
        name=name,
        title=title,
        kind="bars",
        x=Axis(Text("size"), "B"),
        y=Axis(Text("name")),
        series=[
            Series(
                label=Text("taken"),
                role="submission",
                x=[float(size) for _, size in taken],
                y=[float(row) for row in range(len(taken))],
            ),
            Series(
                label=Text("free"),
                role="baseline",
                x=[float(max(free, 0))],
                y=[float(len(taken))],
            ),
        ],
        caption=caption,
        rows=[*(label for label, _ in taken), Text("free")],
    )


def replies(pairs: Sequence[Pair], answers: Sequence[str]) -> Figure:
    """Replies of the board beside the real replies."""
    shown = list(zip(pairs, answers, strict=False))[:REPLIES]
    columns = (
        (Text("board"), "submission", [said for _, said in shown]),
        (Text("real reply"), "reference", [pair.reply for pair, _ in shown]),
    )
    return Figure(
        name="replies",
        title=Text("A conversation with the board"),
        kind="table",
        x=Axis(EMPTY),
        y=Axis(Text("query")),
        series=[
            Series(label, role, x=[], y=[], point_labels=cells)  # type: ignore[arg-type]
            for label, role, cells in columns
        ],
        rows=[verbatim(pair.query) for pair, _ in shown],
    )


def confusion(network: IntegerNetwork, positions: Sequence[Position]) -> Figure:
    """Confusion matrix of the characters that occur or are predicted."""
    answers = network.classes(positions)
    wanted = np.array([position.next_char for position in positions])
    matrix = np.zeros((CLASSES, CLASSES), int)
    np.add.at(matrix, (wanted, answers), 1)
    true, said = np.flatnonzero(matrix.any(axis=1)), np.flatnonzero(matrix.any(axis=0))
    matrix = matrix[np.ix_(true, said)]
    rows, columns = np.nonzero(matrix)
    return Figure(
        name="confusion",
        title=Text("Characters taken for others"),
        kind="heatmap",
        x=Axis(Text("predicted character")),
        y=Axis(Text("right character")),
        series=[
            Series(
                label=Text("predicted"),
                role="submission",
                x=[float(column) for column in columns],
                y=[float(row) for row in rows],
                values=[float(count) for count in matrix[rows, columns]],
            )
        ],
        caption=Text(
            "A number is the share, in percent, of the row's character that was predicted as the "
            "column's. Right answers are framed. ␣ is the space, end the reply's end."
        ),
        rows=[_symbol(int(one)) for one in true],
        columns=[_symbol(int(one)) for one in said],
    )


def _symbol(answer: int) -> Text:
    shown = "end" if answer == END else CHARSET[answer].replace(" ", "␣")
    return verbatim(shown)
