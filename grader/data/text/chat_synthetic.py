"""`chat-synthetic`: pairs in the format of tinychat, made from templates; nothing to download.

A pair is decided by (entropy, part, index) alone. The public parts use a fixed entropy; the
hidden part's comes from the instructor's seed. No query of one part is in another: the part that
a query belongs to is a function of its text (`chat.part_of`), and drawing goes on until enough
queries of the wanted part were found. Replies to one query vary, as people's do, so that no
network reaches 100%. The phrases are in chat_phrases.toml. Around every hidden query stands a
phrase of chat_hidden.toml, which students do not get, so no query of an exam can be drawn with
their package.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from grader.data import seeds
from grader.data.dataset import PARTS, Dataset, Request, hidden_only
from grader.data.text import chat
from grader.data.text.chat import MAX_QUERY, Pair, PairSet
from grader.text import Text

NAME = "chat-synthetic"
PHRASES = Path(__file__).parent / "chat_phrases.toml"
HIDDEN = Path(__file__).parent / "chat_hidden.toml"

Replies = dict[str, int]
"""How often each reply is given."""


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


class Intent(msgspec.Struct, frozen=True):
    """Queries with one meaning, and what is replied to them."""

    templates: list[str]
    """Templates with {slot} where a word is inserted."""
    replies: Replies
    by_slot: str = ""
    """The slot whose word decides: words at even places get `replies`, the others `other`."""
    other: Replies = {}


class Phrases(msgspec.Struct, frozen=True):
    """What chat_phrases.toml holds."""

    moods: list[str]
    endings: list[str]
    before: list[str]
    after: list[str]
    slots: dict[str, list[str]]
    intents: list[Intent]


def _load(request: Request) -> PairSet:
    part, settings = request.part, request.settings or ChatSettings()
    entropy = seeds.entropy(NAME, part, request.seed)
    sequence = np.random.SeedSequence(entropy, spawn_key=(PARTS.index(part), settings.version))
    rng = np.random.default_rng(sequence)
    around = hidden_only(HIDDEN, NAME) if part == "hidden" else {}
    wanted: int = getattr(settings, part)
    pairs: list[Pair] = []
    seen: set[str] = set()
    while len(seen) < wanted:
        query, replies = _draw(rng, around)
        if query in seen or len(query) > MAX_QUERY or chat.part_of(NAME, query) != part:
            continue
        seen.add(query)
        pairs.append(Pair(query, _reply(rng, replies, settings)))
        if rng.random() < settings.second_replies:
            pairs.append(Pair(query, _reply(rng, replies, settings)))
    return PairSet(NAME, part, tuple(pairs))


@cache
def _phrases() -> Phrases:
    return msgspec.convert(tomllib.loads(PHRASES.read_text(encoding="utf-8")), Phrases)


def _one(options: list[str], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]


def _draw(rng: np.random.Generator, around: Mapping[str, list[str]]) -> tuple[str, Replies]:
    """A query and the replies that may be given to it; with `around`, one of its phrases stands
    before or after the query."""
    phrases = _phrases()
    intent = phrases.intents[rng.integers(len(phrases.intents))]
    places = {slot: int(rng.integers(len(words))) for slot, words in phrases.slots.items()}
    words = {slot: phrases.slots[slot][place] for slot, place in places.items()}
    before, after = phrases.before, phrases.after
    if around and rng.random() < 0.5:
        before = around["before"]
    elif around:
        after = around["after"]
    template = _one(before, rng) + _one(intent.templates, rng) + _one(after, rng)
    odd = bool(intent.by_slot) and places[intent.by_slot] % 2
    return template.format_map(words), intent.other if odd else intent.replies


def _reply(rng: np.random.Generator, replies: Replies, settings: ChatSettings) -> str:
    if rng.random() < settings.moods:
        reply = _one(_phrases().moods, rng)
    else:
        weights = np.array(list(replies.values()), float)
        reply = list(replies)[int(rng.choice(len(replies), p=weights / weights.sum()))]
    if rng.random() < settings.endings:
        reply += _one(_phrases().endings, rng)
    return reply


_QUERIES = ChatSettings.train + ChatSettings.validation + ChatSettings.hidden
DATASET = Dataset(
    name=NAME,
    holds=PairSet,
    title=Text("short questions and answers made from templates (built in)"),
    license="made on this machine, no rights in it",
    size=Text("{queries:,} queries", queries=_QUERIES),
    address=__name__,
    settings=ChatSettings,
    load=_load,
    is_prepared=lambda: True,
)
