"""Figures of one network on the board: cycles, what was pruned, memory, confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from grader import avr
from grader.data.chat import CHARSET, CLASSES, END, Position
from grader.grades import Axis, Figure, Series
from grader.measure import firmware
from grader.measure.firmware import Conversation
from grader.measure.integer_network import IntegerNetwork
from grader.text import Text

CONFUSIONS = 30
SYMBOLS = 25


def cycles_by_layer(network: IntegerNetwork, talk: Conversation) -> Figure:
    """Cycles between the layers' markers; layer -1 is what comes before the first."""
    spent: Counter[int] = Counter()
    for one in talk.characters:
        for inference in one.reply.inferences:
            for layer, cycles in inference.layer_cycles().items():
                spent[layer] += cycles
    layers = sorted(spent)
    count = len(talk.characters)
    labels = ["features" if layer < 0 else f"layer {layer}" for layer in layers]
    dense = [firmware.estimate(pair).cycles for pair in pairwise(network.sizes)]
    return Figure(
        name="cycles_by_layer",
        title=Text(en="Cycles by layer", ru="Такты по слоям"),
        kind="scatter",
        x=Axis(Text(en="layer (-1: features)", ru="слой (-1: признаки)")),
        y=Axis(Text(en="cycles a character", ru="тактов на символ"), "", "log"),
        series=[
            Series(
                label=Text(en="measured", ru="измерено"),
                role="submission",
                x=[float(layer) for layer in layers],
                y=[spent[layer] / count for layer in layers],
                point_labels=labels,
            ),
            Series(
                label=Text(en="estimated by formula", ru="оценка по формуле"),
                role="reference",
                x=[float(index) for index in range(len(dense))],
                y=[float(cycles) for cycles in dense],
            ),
        ],
        caption=Text(
            en="Measured between the firmware's own markers. The formula, 62 cycles a weight and "
            "10 an output, knows nothing of zeros or of the program.",
            ru="Измерено между маркерами самой прошивки. Формула — 62 такта на вес и 10 на выход — "
            "ничего не знает ни о нулях, ни о программе.",
        ),
    )


def what_was_pruned(network: IntegerNetwork) -> Figure:
    """What was pruned where: units that are gone, weights that are zero."""
    inputs = range(len(network.layers))
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
        title=Text(en="What is left of each layer", ru="Что осталось от каждого слоя"),
        kind="scatter",
        x=Axis(Text(en="layer", ru="слой")),
        y=Axis(Text(en="left", ru="осталось"), "%"),
        series=[
            Series(
                label=Text(en="weights that are not zero", ru="ненулевые веса"),
                role="submission",
                x=[float(index) for index in inputs],
                y=weights,
                point_labels=[
                    f"{one.weight.shape[1]} -> {len(one.bias)}" for one in network.layers
                ],
            ),
            Series(
                label=Text(en="inputs, of 256-256-192-128", ru="входы, от сети 256-256-192-128"),
                role="reference",
                x=[float(index) for index in range(len(kept))],
                y=kept,
            ),
        ],
    )


def memory_map(image: avr.Image) -> Figure:
    """The memory map: every symbol at its address, with its size."""
    series = []
    for memory, role, label in (
        ("flash", "submission", Text(en="flash", ru="флеш-память")),
        ("sram", "reference", Text(en="SRAM", ru="SRAM")),
    ):
        symbols = image.largest(memory, SYMBOLS)  # type: ignore[arg-type]
        if symbols:
            series.append(
                Series(
                    label=label,
                    role=role,  # type: ignore[arg-type]
                    x=[float(symbol.address) for symbol in symbols],
                    y=[float(symbol.size) for symbol in symbols],
                    point_labels=[f"{symbol.name} ({symbol.kind})" for symbol in symbols],
                )
            )
    return Figure(
        name="memory_map",
        title=Text(en="Memory map", ru="Карта памяти"),
        kind="scatter",
        x=Axis(Text(en="address", ru="адрес")),
        y=Axis(Text(en="size", ru="размер"), "B", "log"),
        series=series,
        caption=Text(
            en=f"The {SYMBOLS} largest functions and tables of each memory; SRAM begins at 256.",
            ru=f"По {SYMBOLS} крупнейших функций и таблиц каждой памяти; SRAM начинается с 256.",
        ),
    )


def confusion(network: IntegerNetwork, positions: Sequence[Position]) -> Figure:
    """The characters most often taken for others."""
    answers = network.classes(positions)
    wanted = np.array([position.next_char for position in positions])
    matrix = np.zeros((CLASSES, CLASSES), int)
    np.add.at(matrix, (wanted, answers), 1)
    right = np.diag(matrix).copy()
    np.fill_diagonal(matrix, 0)
    worst = np.argsort(-matrix, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [(int(i) // CLASSES, int(i) % CLASSES) for i in worst if matrix.flat[i]]
    return Figure(
        name="confusion",
        title=Text(en="Characters taken for others", ru="Какие символы путаются"),
        kind="scatter",
        x=Axis(Text(en="right character, number in the charset", ru="верный символ, номер")),
        y=Axis(Text(en="predicted character, number", ru="предсказанный символ, номер")),
        series=[
            Series(
                label=Text(en="confused", ru="спутано"),
                role="submission",
                x=[float(true) for true, _ in pairs],
                y=[float(said) for _, said in pairs],
                point_labels=[
                    f"{_symbol(true)} -> {_symbol(said)}: {matrix[true, said]} of "
                    f"{matrix[true].sum() + right[true]}"
                    for true, said in pairs
                ],
            )
        ],
        caption=Text(
            en=f"The {CONFUSIONS} commonest confusions, with how often the right character "
            f"occurred. 'end' is class {END}.",
            ru=f"{CONFUSIONS} самых частых ошибок и сколько раз встретился верный символ. "
            f"«end» — класс {END}, конец ответа.",
        ),
    )


def _symbol(answer: int) -> str:
    return "end" if answer == END else repr(CHARSET[answer])
