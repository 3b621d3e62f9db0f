"""Measurements: shares of right characters, and the costs of one character on the board."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from grader import board
from grader.board.firmware import Conversation
from grader.board.integer_network import IntegerNetwork, character
from grader.data.text.chat import END, Position
from grader.lesson.grades import Measurement
from grader.measure.quality.classification import NORMAL_95, clustered, wilson
from grader.text import Text

SRAM = Text("static variables and the deepest stack seen")
MILLISECONDS = Text("cycles at 16 MHz")


def quality(network: IntegerNetwork, positions: Sequence[Position]) -> dict[str, Measurement]:
    """Shares of right next characters, with intervals clustered by query."""
    right = network.classes(positions) == np.array([one.next_char for one in positions])
    queries = [position.query for position in positions]
    first = np.array([not position.context for position in positions])
    everything, opening = (
        clustered(right[chosen], [query for query, one in zip(queries, chosen, strict=True) if one])
        for chosen in (np.ones(len(right), bool), first)
    )
    wholes = _exact(right, positions)
    distinct = len(set(queries))
    return {
        "next_char_accuracy": Measurement(
            everything[0],
            "",
            Text(
                "of {right_count:,} positions in the replies to {distinct:,} queries, by the "
                "integer model, which the board equals; 95% interval for other queries",
                right_count=len(right),
                distinct=distinct,
            ),
            everything[1],
        ),
        "first_char_accuracy": Measurement(
            opening[0],
            "",
            Text("the same for the first character of a reply"),
            opening[1],
        ),
        "reply_exact_match": Measurement(
            wholes,
            "",
            Text("share of pairs whose whole reply is right when every character is"),
        ),
    }


def on_board(image: board.Image, talk: Conversation) -> dict[str, Measurement]:
    """Flash, SRAM and cycles, as measured on the simulated board."""
    cycles = talk.cycles
    half = NORMAL_95 * float(cycles.std(ddof=1)) / math.sqrt(len(cycles))
    mean = float(cycles.mean())
    marked = float(np.mean([one.reply.inference_cycles for one in talk.characters]))
    asked = [(one.reply.text, one.position) for one in talk.characters]
    right = np.mean([text == character(position.next_char) for text, position in asked])
    return {
        "flash_bytes": Measurement(
            image.flash_bytes,
            "B",
            Text("code and tables of the built image, {compiler}", compiler=image.compiler),
        ),
        "sram_bytes": Measurement(talk.sram_bytes, "B", SRAM),
        "stack_bytes": Measurement(talk.stack_bytes, "B", Text("the deepest stack seen")),
        "cycles_per_char": Measurement(
            mean,
            "cycles",
            Text(
                "mean of {cycles_count} characters, from taking the first byte of the question "
                "to sending the answer, wherever the markers are",
                cycles_count=len(cycles),
            ),
            (mean - half, mean + half),
        ),
        "ms_per_char": Measurement(
            board.milliseconds(mean),
            "ms",
            MILLISECONDS,
            (board.milliseconds(mean - half), board.milliseconds(mean + half)),
        ),
        "marked_cycles": Measurement(
            marked,
            "cycles",
            Text("of these between the firmware's own markers"),
        ),
        "board_accuracy": Measurement(
            float(right),
            "",
            Text(
                "next characters that the board itself got right, of {cycles_count} asked",
                cycles_count=len(cycles),
            ),
            wilson(float(right), len(cycles)),
        ),
    }


def against(
    plain: Mapping[str, Measurement], image: board.Image, talk: Conversation
) -> dict[str, Measurement]:
    """Ratios to the plain runtime, which are scored."""
    how = Text("plain 2-bit runtime on the unpruned network / artefact")
    return {
        "compression": Measurement(plain["flash_bytes"].value / image.flash_bytes, "×", how),
        "speedup": Measurement(
            plain["cycles_per_char"].value / float(talk.cycles.mean()), "×", how
        ),
    }


def _exact(right: np.ndarray, positions: Sequence[Position]) -> float:
    """Whether a reply is right up to and including END."""
    whole, pairs, exact = True, 0, 0
    for hit, position in zip(right, positions, strict=True):
        whole = bool(hit) and (whole or not position.context)
        if position.next_char == END:
            pairs, exact = pairs + 1, exact + whole
    return exact / max(pairs, 1)
