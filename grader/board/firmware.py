"""A firmware that answers as its integer model does: asked for characters and whole replies.

Everything is asked over the serial port of the simulated board (`grader.board`). A firmware that
answers anything but what the model says is refused, with a sentence about the likeliest cause.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grader import board as avr
from grader.board.integer_network import IntegerNetwork, shown
from grader.data.text.chat import MAX_REPLY, Position
from grader.text import Text, ru_number
from grader.text.errors import Rejected

REPEATED = 20
"""So many characters are asked again, of a board that wakes with noise in its SRAM."""
FEWEST_REPLIES = 3


@dataclass(frozen=True)
class Questions:
    """What a board is asked."""

    positions: tuple[Position, ...]
    """Single characters, in this order."""
    queries: tuple[str, ...]
    """For whole replies."""
    max_cycles: int
    """Once so many cycles have passed, no more is asked than `fewest` characters."""
    fewest: int
    cycles_per_line: int


@dataclass(frozen=True)
class Asked:
    """One question to the board, and its answer."""

    position: Position
    expected: str
    reply: avr.Reply


@dataclass(frozen=True)
class Conversation:
    """Everything that one firmware was asked."""

    characters: tuple[Asked, ...]
    replies: tuple[str, ...]
    """The board's whole replies, to the first of the queries."""
    sram_bytes: int
    stack_bytes: int

    @property
    def cycles(self) -> NDArray[np.float64]:
        """Of each character, (characters,)."""
        return np.array([one.reply.cycles for one in self.characters], float)


@dataclass(frozen=True)
class Estimate:
    """Flash and time by a formula from a student's report that measured neither.

    Two bits a weight, sixteen more a bias, 62 cycles a weight and 10 an output.
    """

    flash_bytes: int
    cycles: int

    @property
    def milliseconds(self) -> float:
        return avr.milliseconds(self.cycles)


def estimate(sizes: Sequence[int]) -> Estimate:
    """For layers of so many units, inputs first. 256-256-192-128-39 gives 37,448 bytes and
    8,950,022 cycles, 559.376375 ms."""
    weights = sum(a * b for a, b in pairwise(sizes))
    biases = sum(sizes[1:])
    bits = 2 * (weights + biases) + 16 * biases
    return Estimate(math.ceil(bits / 8), 62 * weights + 10 * biases)


def converse(image: avr.Image, network: IntegerNetwork, questions: Questions) -> Conversation:
    """Ask for single characters, then for whole replies. Raises Rejected where an answer is not
    the model's."""
    with avr.Board(image) as board:
        characters = _characters(board, network, questions)
        wrong = [one for one in characters if one.reply.text != one.expected]
        replies = () if wrong else _whole_replies(board, network, questions)
        sram, stack = board.sram_bytes, board.stack_bytes
    if not _repeats(image, characters, questions):
        raise Rejected(_NOT_REPEATABLE)
    if wrong:
        raise Rejected(_different(wrong, characters))
    if sram > avr.SRAM_BYTES:
        raise Rejected(_too_much_sram(image, stack))
    return Conversation(tuple(characters), replies, sram, stack)


def line_of(position: Position) -> str:
    """The line that asks a board for one character."""
    return f"{position.query}\t{position.context}"


def _characters(
    board: avr.Board, network: IntegerNetwork, questions: Questions
) -> tuple[Asked, ...]:
    asked: list[Asked] = []
    answers = network.classes(questions.positions)
    for position, answer in zip(questions.positions, answers, strict=True):
        if board.cycle > questions.max_cycles and len(asked) >= questions.fewest:
            break
        reply = board.ask(line_of(position), questions.cycles_per_line)
        asked.append(Asked(position, shown(int(answer)), reply))
    return tuple(asked)


def _whole_replies(
    board: avr.Board, network: IntegerNetwork, questions: Questions
) -> tuple[str, ...]:
    found: list[str] = []
    for query, wanted in zip(questions.queries, network.replies(questions.queries), strict=True):
        if board.cycle > questions.max_cycles and len(found) >= FEWEST_REPLIES:
            break
        found.append(board.ask(query, questions.cycles_per_line).text)
        if found[-1] != wanted:
            raise Rejected(_other_reply(query, found[-1], wanted))
    return tuple(found)


def _repeats(image: avr.Image, asked: Sequence[Asked], questions: Questions) -> bool:
    """Whether a board that wakes with noise in its SRAM, asked in another order, answers alike."""
    few = list(asked[:: max(1, len(asked) // REPEATED)])[::-1]
    with avr.Board(image, paint=None) as board:
        return all(
            board.ask(line_of(one.position), questions.cycles_per_line).text == one.reply.text
            for one in few
        )


def _other_reply(query: str, found: str, wanted: str) -> Text:
    return Text(
        en=f"To the query {_quoted(query)} the board replies {_quoted(found)}, the integer model "
        f"{_quoted(wanted)}, though single characters agree; ask the network again with the "
        f"longer context until it ends the reply, at most {MAX_REPLY} times.",
        ru=f"На запрос {_quoted(query)} плата отвечает {_quoted(found)}, а целочисленная модель — "
        f"{_quoted(wanted)}, хотя отдельные символы совпадают; вызывайте сеть снова с удлинённым "
        f"контекстом, пока она не закончит ответ, не более {MAX_REPLY} раз.",
    )


def _different(wrong: Sequence[Asked], asked: Sequence[Asked]) -> Text:
    """What to say of answers that are not the model's."""
    if len({one.reply.text for one in asked}) == 1:
        return Text(
            en=f"The board answers {_quoted(asked[0].reply.text)} to all of {len(asked)} "
            "questions: the reply does not depend on the query; feed the query and the context "
            "into the network.",
            ru=f"На все вопросы ({len(asked)}) плата отвечает {_quoted(asked[0].reply.text)}: "
            "ответ не зависит от запроса; подайте запрос и контекст на вход сети.",
        )
    first = wrong[0]
    return Text(
        en=f"The board and model.npz differ at {len(wrong)} of {len(asked)} characters. The first: "
        f"after {_quoted(first.position.context)} in reply to {_quoted(first.position.query)} the "
        f"board says {_quoted(first.reply.text)}, the model {_quoted(first.expected)}. Export "
        "model.npz and weights.h together, and compare the sums of one layer after the other.",
        ru=f"Плата и model.npz расходятся на {len(wrong)} символах из {len(asked)}. Первый: после "
        f"{_quoted(first.position.context)} в ответе на {_quoted(first.position.query)} плата "
        f"выдаёт {_quoted(first.reply.text)}, а модель — {_quoted(first.expected)}. Экспортируйте "
        "model.npz и weights.h вместе и сравните суммы слой за слоем.",
    )


def _quoted(text: str) -> str:
    """Queries are ours, replies were checked to be printable ASCII."""
    return f"'{text[:60]}'" if text else "''"


_NOT_REPEATABLE = Text(
    en="The same question gets different answers from run to run; set every variable before it "
    "is read, and keep nothing from one question to the next.",
    ru="На один и тот же вопрос плата в разных запусках отвечает по-разному; задавайте значение "
    "каждой переменной до чтения и ничего не храните между вопросами.",
)


def _too_much_sram(image: avr.Image, stack: int) -> Text:
    return Text(
        en=f"Static variables ({image.static_bytes:,} bytes) and stack ({stack:,}) take more than "
        f"the {avr.SRAM_BYTES:,} bytes of SRAM; make arrays smaller or use them twice.",
        ru=f"Статические переменные ({ru_number(image.static_bytes)} байт) и стек "
        f"({ru_number(stack)}) занимают больше {ru_number(avr.SRAM_BYTES)} байт SRAM; уменьшите "
        "массивы или используйте их повторно.",
    )
