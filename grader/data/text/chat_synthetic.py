"""`chat-synthetic`: pairs in the format of tinychat, made from templates; nothing to download.

A pair is decided by (entropy, part, index) alone. The public parts use a fixed entropy; the
hidden part's comes from the instructor's seed. No query of one part is in another: the part that
a query belongs to is a function of its text (`chat.part_of`), and drawing goes on until enough
queries of the wanted part were found. Replies to one query vary, as people's do, so that no
network reaches 100%.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

import numpy as np

from grader.data.speech.clips import PARTS, Part
from grader.data.text import chat
from grader.data.text.chat import MAX_QUERY, Pair, PairSet
from grader.data.text.chat_phrases import (
    AFTER,
    BEFORE,
    ENDINGS,
    INTENTS,
    MOODS,
    SLOTS,
    Intent,
    Replies,
)

NAME = "chat-synthetic"
PUBLIC_SEED = "public"


@dataclass(frozen=True)
class ChatSettings:
    """How many distinct queries each part has; about as many as tinychat's."""

    train: int = 1_600
    validation: int = 250
    hidden: int = 600
    second_replies: float = 0.3
    """Share of queries that occur twice, with a reply drawn anew."""
    moods: float = 0.35
    """Share of replies that have nothing to do with the query."""
    endings: float = 0.35
    """Share of replies that something is added to. With both shares as they are, a network of some
    size predicts about as many characters of this set as of tinychat."""
    version: int = 1
    """Raise it when the phrases or the code change what comes out."""


def load(part: Part, seed: str | None = None, settings: ChatSettings | None = None) -> PairSet:
    """One part; `seed` is the instructor's and decides the hidden part only."""
    settings = settings or ChatSettings()
    sequence = np.random.SeedSequence(
        _entropy(part, seed), spawn_key=(PARTS.index(part), settings.version)
    )
    rng = np.random.default_rng(sequence)
    wanted: int = getattr(settings, part)
    pairs: list[Pair] = []
    seen: set[str] = set()
    while len(seen) < wanted:
        query, replies = _draw(rng)
        if query in seen or len(query) > MAX_QUERY or chat.part_of(NAME, query) != part:
            continue
        seen.add(query)
        pairs.append(Pair(query, _reply(rng, replies, settings)))
        if rng.random() < settings.second_replies:
            pairs.append(Pair(query, _reply(rng, replies, settings)))
    return PairSet(NAME, part, tuple(pairs))


def _entropy(part: Part, seed: str | None) -> int:
    """128 bits from a seed; the seed cannot be read back from them."""
    hidden = part == "hidden"
    key = seed if hidden and seed is not None else PUBLIC_SEED
    message = f"small-fast-nets/{NAME}/{'hidden' if hidden else 'public'}"
    return int.from_bytes(hmac.digest(key.encode(), message.encode(), "sha256")[:16])


def _draw(rng: np.random.Generator) -> tuple[str, Replies]:
    """A query and the replies that may be given to it."""
    intent = INTENTS[rng.integers(len(INTENTS))]
    words = {slot: int(rng.integers(len(words))) for slot, words in SLOTS.items()}
    filled = {slot: SLOTS[slot][index] for slot, index in words.items()}
    template = (
        BEFORE[rng.integers(len(BEFORE))]
        + intent.templates[rng.integers(len(intent.templates))]
        + AFTER[rng.integers(len(AFTER))]
    )
    return template.format_map(filled), _replies(intent, words)


def _replies(intent: Intent, words: dict[str, int]) -> Replies:
    if intent.by_slot and words[intent.by_slot] % 2:
        return intent.other
    return intent.replies


def _reply(rng: np.random.Generator, replies: Replies, settings: ChatSettings) -> str:
    if rng.random() < settings.moods:
        reply = MOODS[rng.integers(len(MOODS))]
    else:
        weights = np.array(list(replies.values()), float)
        reply = list(replies)[int(rng.choice(len(replies), p=weights / weights.sum()))]
    if rng.random() < settings.endings:
        reply += ENDINGS[rng.integers(len(ENDINGS))]
    return reply
