"""Checks that a firmware answers as its integer model does: single characters and whole replies.

All questions go over the serial port of the simulated board (`grader.board`). A firmware with
another answer than the model's is refused, with a message about the most likely cause.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grader import board
from grader.board.integer_network import IntegerNetwork, character
from grader.data.text.chat import MAX_REPLY, Position
from grader.text import Text
from grader.text.errors import Rejected

REPEATED = 20
"""Characters that are asked again of a board whose SRAM begins with noise."""
FEWEST_REPLIES = 3
"""Whole replies that are asked for even when `max_cycles` have passed."""


@dataclass(frozen=True)
class Questions:
    """The questions to one board, and limits for them."""

    positions: tuple[Position, ...]
    """Single characters, in this order."""
    queries: tuple[str, ...]
    """Lines that ask for whole replies."""
    max_cycles: int
    """After so many cycles nothing more is asked, except the first `fewest` characters."""
    fewest: int
    cycles_per_line: int
    """Limit for the answer to one line."""
    secret: bool = False
    """Whether sentences for students must not quote a query."""


@dataclass(frozen=True)
class Exchange:
    """A question for one character, the model's answer and the board's."""

    position: Position
    expected: str
    reply: board.Reply


@dataclass(frozen=True)
class Conversation:
    """All questions to one firmware, with its answers and its memory."""

    characters: tuple[Exchange, ...]
    replies: tuple[str, ...]
    """The board's whole replies, to as many of the first queries as were asked."""
    sram_bytes: int
    stack_bytes: int

    @property
    def cycles(self) -> NDArray[np.float64]:
        """Cycles of each character, (characters,)."""
        return np.array([one.reply.cycles for one in self.characters], float)


@dataclass(frozen=True)
class Estimate:
    """Flash and time by a formula from a student's report that measured neither.

    Two bits per weight and bias, 16 more per bias; 62 cycles per weight, 10 per output.
    """

    flash_bytes: int
    cycles: int

    @property
    def milliseconds(self) -> float:
        return board.milliseconds(self.cycles)


def estimate(sizes: Sequence[int]) -> Estimate:
    """The estimate for layers of these sizes, inputs first. 256-256-192-128-39 gives 37,448 bytes
    and 8,950,022 cycles, 559.376375 ms."""
    weights = sum(a * b for a, b in pairwise(sizes))
    biases = sum(sizes[1:])
    bits = 2 * (weights + biases) + 16 * biases
    return Estimate(math.ceil(bits / 8), 62 * weights + 10 * biases)


def converse(image: board.Image, network: IntegerNetwork, questions: Questions) -> Conversation:
    """Ask for single characters, then for whole replies. Raises Rejected when an answer is not
    the model's, when answers are not repeatable, or when SRAM is too small."""
    with board.Board(image) as uno:
        characters: list[Exchange] = []
        answers = map(int, network.classes(questions.positions))
        for position, answer in zip(questions.positions, answers, strict=True):
            if uno.cycle > questions.max_cycles and len(characters) >= questions.fewest:
                break
            reply = uno.ask(line_of(position), questions.cycles_per_line)
            characters.append(Exchange(position, character(answer), reply))
        wrong = [one for one in characters if one.reply.text != one.expected]
        replies = () if wrong else _whole_replies(uno, network, questions)
        sram, stack = uno.sram_bytes, uno.stack_bytes
    if not _repeats(image, characters, questions):
        raise Rejected(
            "The same question gets different answers from run to run; set every variable before "
            "it is read, and keep nothing from one question to the next."
        )
    if wrong:
        raise Rejected(_different(wrong, characters, secret=questions.secret))
    if sram > board.SRAM_BYTES:
        raise Rejected(
            "Static variables ({static_bytes:,} bytes) and stack ({stack:,}) take more than the "
            "{sram_bytes:,} bytes of SRAM; make arrays smaller or use them twice.",
            static_bytes=image.static_bytes,
            stack=stack,
            sram_bytes=board.SRAM_BYTES,
        )
    return Conversation(tuple(characters), replies, sram, stack)


def line_of(position: Position) -> str:
    """The line that asks a board for one character."""
    return f"{position.query}\t{position.context}"


def _whole_replies(
    uno: board.Board, network: IntegerNetwork, questions: Questions
) -> tuple[str, ...]:
    found: list[str] = []
    for query, wanted in zip(questions.queries, network.replies(questions.queries), strict=True):
        if uno.cycle > questions.max_cycles and len(found) >= FEWEST_REPLIES:
            break
        found.append(uno.ask(query, questions.cycles_per_line).text)
        if found[-1] != wanted:
            asked = _SECRET if questions.secret else _quoted(query)
            ours, theirs = _quoted(found[-1]), _quoted(wanted)
            raise Rejected(
                "To {asked} the board replies {ours}, the integer model {theirs}, "
                "though single characters agree; ask the network again with the longer context "
                "until it ends the reply, at most {max_reply} times.",
                asked=asked,
                ours=ours,
                theirs=theirs,
                max_reply=MAX_REPLY,
            )
    return tuple(found)


def _repeats(image: board.Image, asked: Sequence[Exchange], questions: Questions) -> bool:
    """Whether a board whose SRAM begins with noise gives the same answers in reverse order."""
    with board.Board(image, paint=None) as uno:
        return all(
            uno.ask(line_of(one.position), questions.cycles_per_line).text == one.reply.text
            for one in reversed(asked[:: max(1, len(asked) // REPEATED)])
        )


def _different(wrong: Sequence[Exchange], asked: Sequence[Exchange], *, secret: bool) -> Text:
    """The message for answers that are not the model's."""
    if len({one.reply.text for one in asked}) == 1:
        return Text(
            "The board answers {text} to all of {asked_count} questions: the reply does not "
            "depend on the query; feed the query and the context into the network.",
            text=_quoted(asked[0].reply.text),
            asked_count=len(asked),
        )
    first = wrong[0]
    return Text(
        "The board and model.npz differ at {wrong_count} of {asked_count} characters. The first: "
        "after {context} in reply to {query} the board says {text}, the model {expected}. Export "
        "model.npz and weights.h together, and compare the sums of one layer after the other.",
        wrong_count=len(wrong),
        asked_count=len(asked),
        context=_quoted(first.position.context),
        query=_SECRET if secret else _quoted(first.position.query),
        text=_quoted(first.reply.text),
        expected=_quoted(first.expected),
    )


_SECRET = Text("a hidden query (`grader check` shows public ones)")


def _quoted(text: str) -> str:
    """Queries are ours, replies were checked to be printable ASCII."""
    return f"'{text[:60]}'"
