"""Queries that nobody asked, for the teacher to answer: cut, mixed and misspelt ones.

The student needs no labels, only questions like those that will be asked. The network has to say
what the teacher says about them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from grader.data.text.chat import END, MAX_QUERY, Pair, Position


def invented(pairs: Sequence[Pair], count: int, seed: int) -> list[Position]:
    """Positions whose answer only a teacher can tell (`next_char` says nothing)."""
    draw = random.Random(seed)
    words = [word for pair in pairs for word in pair.query.split()]
    found = []
    while len(found) < count:
        pair = draw.choice(pairs)
        query = " ".join(_changed(pair.query.split(), pairs, words, draw))[:MAX_QUERY].strip()
        reply = pair.reply if draw.random() < 0.7 else draw.choice(pairs).reply
        if query:
            found.append(Position(query, reply[: draw.randrange(len(reply) + 1)], END))
    return found


def _changed(
    query: list[str], pairs: Sequence[Pair], words: Sequence[str], draw: random.Random
) -> list[str]:
    """One random change, or none."""
    place, kind = draw.randrange(len(query)), draw.random()
    if kind < 0.2:
        return query[:place] + query[place + 1 :]
    if kind < 0.4:
        return [*query[:place], draw.choice(words), *query[place + 1 :]]
    if kind < 0.55:
        return [*query[:place], draw.choice(words), *query[place:]]
    if kind < 0.75:
        other = draw.choice(pairs).query.split()
        return query[: place + 1] + other[draw.randrange(len(other)) :]
    if kind < 0.9:
        return [*query[:place], _misspelt(query[place], draw), *query[place + 1 :]]
    return query


def _misspelt(word: str, draw: random.Random) -> str:
    """A letter left out or doubled."""
    place = draw.randrange(len(word))
    if draw.random() < 0.5 and len(word) > 1:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place] + word[place:]
