"""Chat data: queries and replies, split by query, and the positions of a reply's characters.

A network that writes a reply character by character is asked, at every position, which character
comes next: the query and the reply so far are given (`Position`), the next character or the end
is the answer. All replies use the 40 classes of the published tinychat network.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from grader.data.dataset import Part
from grader.text import Text

CHARSET = " ABCDEFGHIJKLMNOPQRSTUVWXYZ012345678!/?"
"""What a reply is written with; class 39, after the last of them, ends it."""
END = len(CHARSET)
CLASSES = END + 1

MAX_QUERY = 40
MAX_REPLY = 24
"""Characters; a firmware may rely on both."""

_SHARES = 20
_HIDDEN, _VALIDATION = 4, 6


@dataclass(frozen=True)
class Pair:
    query: str
    """Lower case."""
    reply: str
    """Upper case, characters of CHARSET."""


@dataclass(frozen=True)
class Position:
    """One question to a network: which character follows `context` in the reply to `query`?"""

    query: str
    context: str
    next_char: int
    """0 to 38 in CHARSET, or END."""


@dataclass(frozen=True, eq=False)
class PairSet:
    """One part of one chat data set."""

    name: str
    part: Part
    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def queries(self) -> tuple[str, ...]:
        """Distinct queries in the order in which they first occur."""
        return tuple(dict.fromkeys(pair.query for pair in self.pairs))

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """Every position of every reply, its end included."""
        return tuple(position for pair in self.pairs for position in positions(pair))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the pairs, in hexadecimal."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            digest.update(f"{pair.query}|{pair.reply}\n".encode())
        return digest.hexdigest()

    @property
    def summary(self) -> Text:
        pairs, queries, places = len(self.pairs), len(self.queries), len(self.positions)
        return Text(
            "{pairs:,} pairs, {queries:,} distinct queries, {places:,} characters",
            pairs=pairs,
            queries=queries,
            places=places,
        )


def positions(pair: Pair) -> list[Position]:
    """len(reply) + 1 questions: each character, then the end."""
    answers = [*(CHARSET.index(char) for char in pair.reply), END]
    return [
        Position(pair.query, pair.reply[:index], answer) for index, answer in enumerate(answers)
    ]


def part_of(name: str, query: str) -> Part:
    """The part that a query belongs to: a fifth is hidden, a tenth is for validation.

    Decided by what is asked, not by the line it stands in: case, punctuation and repeated spaces
    do not matter, so that `im sure` and `I'm sure!` are never on both sides.
    """
    letters = re.sub(r"[^a-z0-9]+", " ", query.lower().replace("'", ""))
    key = " ".join(letters.split()) or query
    share = zlib.crc32(f"{name}/{key}".encode()) % _SHARES
    return "hidden" if share < _HIDDEN else "validation" if share < _VALIDATION else "train"


def parse(lines: Iterable[str]) -> list[Pair]:
    """Pairs from lines `query|reply`; blank lines and lines that start with # are skipped.

    Raises ValueError that names the first line which is neither, by its number from 1.
    """
    found = []
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        query, bar, reply = (part.strip() for part in line.partition("|"))
        pair = Pair(query.lower(), reply.upper())
        if not bar or not pair.query or not pair.reply:
            raise ValueError(f"line {number} is no query|reply: {line[:60]!r}")
        if strange := sorted(set(pair.reply) - set(CHARSET)):
            raise ValueError(f"line {number} has {''.join(strange)!r} in its reply")
        if len(pair.query) > MAX_QUERY or len(pair.reply) > MAX_REPLY:
            raise ValueError(
                f"line {number} is longer than {MAX_QUERY} characters before the bar or "
                f"{MAX_REPLY} after it"
            )
        if not (pair.query.isascii() and pair.query.isprintable()):
            raise ValueError(f"line {number} has characters in its query that are no ASCII")
        found.append(pair)
    return found
