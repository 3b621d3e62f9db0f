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
from grader.data.text.chat import CHARSET, CLASSES, END, Position
from grader.lesson.grades import Axis, Figure, Series
from grader.text import EMPTY, Text, ru_number

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
        title=Text(en="Cycles by layer", ru="Такты по слоям"),
        kind="bars",
        x=Axis(Text(en="cycles a character", ru="тактов на символ"), "", "log"),
        y=Axis(Text(en="layer", ru="слой")),
        series=[
            Series(
                label=Text(en="measured", ru="измерено"),
                role="submission",
                x=[spent[layer] / count for layer in sorted(spent)],
                y=[row[layer] for layer in sorted(spent)],
            ),
            Series(
                label=Text(en="estimated by formula", ru="оценка по формуле"),
                role="reference",
                x=[float(cycles) for cycles in dense],
                y=[row[layer] for layer in range(len(dense))],
            ),
        ],
        caption=Text(
            en="Measured between the firmware's own markers. The formula, 62 cycles a weight and "
            "10 an output, knows nothing of zeros or of the program.",
            ru="Измерено между маркерами самой прошивки. Формула — 62 такта на вес и 10 на выход — "
            "ничего не знает ни о нулях, ни о программе.",
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
        title=Text(en="What is left of each layer", ru="Что осталось от каждого слоя"),
        kind="bars",
        x=Axis(Text(en="left", ru="осталось"), "%"),
        y=Axis(Text(en="layer", ru="слой")),
        series=[
            Series(
                label=Text(en="weights that are not zero", ru="ненулевые веса"),
                role="submission",
                x=weights,
                y=[float(index) for index in range(len(weights))],
            ),
            Series(
                label=Text(en="inputs, of 256-256-192-128", ru="входы, от сети 256-256-192-128"),
                role="reference",
                x=kept,
                y=[float(index) for index in range(len(kept))],
            ),
        ],
        rows=[_layer(network, index) for index in range(len(network.layers))],
    )


def _layer(network: IntegerNetwork, index: int) -> Text:
    if index < 0:
        return Text(en="features", ru="признаки")
    if index >= len(network.layers):
        return Text(en=f"layer {index}", ru=f"слой {index}")
    outputs, inputs = network.layers[index].weight.shape
    return Text(en=f"{index}: {inputs} → {outputs}", ru=f"{index}: {inputs} → {outputs}")


def flash_map(image: board.Image) -> Figure:
    """Flash by function and table, and the free part."""
    symbols = _symbols(image, "flash")
    others = image.flash_bytes - sum(size for _, size in symbols)
    return _memory_map(
        "memory_map",
        Text(en="Flash, by function and table", ru="Флеш-память по функциям и таблицам"),
        [*symbols, (_OTHERS, max(others, 0))],
        board.MAX_FLASH_BYTES - image.flash_bytes,
        Text(
            en=f"The {SYMBOLS} largest functions and tables; of 32,768 bytes the bootloader keeps "
            f"{32_768 - board.MAX_FLASH_BYTES}.",
            ru=f"Крупнейшие функции и таблицы, не больше {SYMBOLS}; из {ru_number(32_768)} байт "
            f"{32_768 - board.MAX_FLASH_BYTES} занимает загрузчик.",
        ),
    )


def sram_map(image: board.Image, talk: Conversation) -> Figure:
    """SRAM by variable, the deepest stack, and the free part."""
    symbols = _symbols(image, "sram")
    others = image.static_bytes - sum(size for _, size in symbols)
    stack = Text(en="stack", ru="стек")
    return _memory_map(
        "memory_map_sram",
        Text(en="SRAM, by variable", ru="SRAM по переменным"),
        [*symbols, (_OTHERS, max(others, 0)), (stack, talk.stack_bytes)],
        board.SRAM_BYTES - image.static_bytes - talk.stack_bytes,
        Text(
            en="The stack is as deep as it got while the board was asked.",
            ru="Стек — такой, каким он был в самом глубоком месте за время опроса платы.",
        ),
    )


_OTHERS = Text(en="all others", ru="остальное")


def _symbols(image: board.Image, memory: Memory) -> list[tuple[Text, int]]:
    """The largest symbols and their bytes; of several names at one address the first counts."""
    first = {one.address: one for one in reversed(image.largest(memory, len(image.symbols)))}
    largest = sorted(first.values(), key=lambda one: (-one.size, one.address))[:SYMBOLS]
    kinds = {"code": "код", "data": "данные"}
    return [
        (Text(en=f"{one.name} ({one.kind})", ru=f"{one.name} ({kinds[one.kind]})"), one.size)
        for one in largest
    ]


def _memory_map(
    name: str, title: Text, taken: list[tuple[Text, int]], free: int, caption: Text
) -> Figure:
    taken = [(label, size) for label, size in taken if size]
    return Figure(
        name=name,
        title=title,
        kind="bars",
        x=Axis(Text(en="size", ru="размер"), "B"),
        y=Axis(Text(en="name", ru="имя")),
        series=[
            Series(
                label=Text(en="taken", ru="занято"),
                role="submission",
                x=[float(size) for _, size in taken],
                y=[float(row) for row in range(len(taken))],
            ),
            Series(
                label=Text(en="free", ru="свободно"),
                role="baseline",
                x=[float(max(free, 0))],
                y=[float(len(taken))],
            ),
        ],
        caption=caption,
        rows=[*(label for label, _ in taken), Text(en="free", ru="свободно")],
    )


def replies(queries: Sequence[str], answers: Sequence[str], real: Sequence[str]) -> Figure:
    """Replies of the board beside the real replies."""
    shown = list(zip(queries, answers, real, strict=False))[:REPLIES]
    columns = (
        (Text(en="board", ru="плата"), "submission", [said for _, said, _ in shown]),
        (Text(en="real reply", ru="настоящий ответ"), "reference", [said for *_, said in shown]),
    )
    return Figure(
        name="replies",
        title=Text(en="A conversation with the board", ru="Разговор с платой"),
        kind="table",
        x=Axis(EMPTY),
        y=Axis(Text(en="query", ru="реплика")),
        series=[
            Series(label, role, x=[], y=[], point_labels=cells)  # type: ignore[arg-type]
            for label, role, cells in columns
        ],
        rows=[Text(en=query, ru=query) for query, *_ in shown],
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
        title=Text(en="Characters taken for others", ru="Какие символы путаются"),
        kind="heatmap",
        x=Axis(Text(en="predicted character", ru="предсказанный символ")),
        y=Axis(Text(en="right character", ru="верный символ")),
        series=[
            Series(
                label=Text(en="predicted", ru="предсказано"),
                role="submission",
                x=[float(column) for column in columns],
                y=[float(row) for row in rows],
                values=[float(count) for count in matrix[rows, columns]],
            )
        ],
        caption=Text(
            en="A number is the share, in percent, of the row's character that was predicted as "
            "the column's. Right answers are framed. ␣ is the space, end the reply's end.",
            ru="Число — какой процент случаев, когда верен символ строки, предсказан символ "
            "столбца. Верные ответы обведены. ␣ — пробел, end — конец ответа.",
        ),
        rows=[_symbol(int(one)) for one in true],
        columns=[_symbol(int(one)) for one in said],
    )


def _symbol(answer: int) -> Text:
    shown = "end" if answer == END else CHARSET[answer].replace(" ", "␣")
    return Text(en=shown, ru=shown)
