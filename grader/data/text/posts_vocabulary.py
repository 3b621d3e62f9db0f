"""The words of `posts-synthetic` with their forms, and those that are held out of training."""

from __future__ import annotations

import re
import tomllib
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LEXICON = HERE / "posts_lexicon.toml"
WORDS = HERE / "posts_words.tsv"
HELD_OUT_PERCENT = 15

CASES = "ирдвтп"
GENDERS = "мжс-"
"""Masculine, feminine, neuter, and plural."""
OPEN = ("thing", "name", "surname", "town", "title")
"""Kinds of words of which a checksum decides whether a word is held out."""

Polar = tuple[tuple[str, ...], tuple[str, ...]]
"""Phrases with a negative and with a positive meaning."""


@dataclass(frozen=True)
class Noun:
    """A noun with its forms."""

    word: str
    gender: str
    alive: bool
    forms: tuple[str, ...]
    """Forms in the order of CASES."""

    def form(self, case: str) -> str:
        return self.forms[CASES.index(case)]


@dataclass(frozen=True)
class Adjective:
    """An adjective with its forms: five cases in four genders, and the feminine accusative."""

    word: str
    forms: tuple[str, ...]
    comparative: str
    """Empty where there is none."""

    def form(self, noun: Noun, case: str = "и") -> str:
        """Agreeing with `noun` in gender, number, case and, in the accusative, animacy."""
        place = GENDERS.index(noun.gender)
        if case == "в":
            if noun.gender == "ж":
                return self.forms[20]
            case = "р" if noun.alive and noun.gender != "с" else "и"
        return self.forms["ирдтп".index(case) * 4 + place]


@dataclass(frozen=True)
class Domain:
    """A subject of posts (films, phones ...), and what is said about it."""

    name: str
    weight: int
    tail: str
    things: tuple[Noun, ...]
    aspects: tuple[Noun, ...]
    adjectives: tuple[tuple[Adjective, ...], tuple[Adjective, ...]]
    """Negative and positive ones that fit this domain only."""
    clauses: Polar
    facts: Polar


@dataclass(frozen=True)
class Vocabulary:
    """The words and phrases of one part: all in the hidden one, fewer in the others."""

    domains: tuple[Domain, ...]
    adjectives: tuple[tuple[Adjective, ...], tuple[Adjective, ...]]
    predicates: Polar
    verbs: Polar
    feelings: Polar
    moods: Polar
    events: Polar
    lists: dict[str, tuple[str, ...]]
    names: tuple[Noun, ...]
    surnames: tuple[Noun, ...]
    towns: tuple[Noun, ...]
    titles: tuple[str, ...]
    holders: tuple[Noun, ...]
    subjects: tuple[Noun, ...]
    opinions: tuple[tuple[tuple[int, str], ...], tuple[tuple[int, str], ...]]
    """Weights and templates: with the thing in them, and without."""
    agreeing: dict[str, Adjective] = field(repr=False)


@cache
def vocabulary(everything: bool) -> Vocabulary:
    """All words (`everything`), or those that are not held out."""
    return _Reader(everything).read()


def is_held_out(word: str) -> bool:
    """Whether a word of an OPEN kind occurs in the hidden part only."""
    return zlib.crc32(f"held out/{word.lower()}".encode()) % 100 < HELD_OUT_PERCENT


@cache
def _files() -> tuple[dict[str, Any], dict[tuple[str, str], list[str]], dict[str, list[str]]]:
    """The lexicon; the columns of each (kind, word); the words of each kind."""
    lexicon = tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    rows: dict[tuple[str, str], list[str]] = {}
    kinds: dict[str, list[str]] = {}
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        kind, word, *columns = line.split("\t")
        rows[kind, word] = columns
        kinds.setdefault(kind, []).append(word)
    return lexicon, rows, kinds


class _Reader:
    """Makes a vocabulary from the lexicon and the table of forms."""

    def __init__(self, everything: bool) -> None:
        self.everything = everything
        self.lexicon, self.rows, self.kinds = _files()

    def read(self) -> Vocabulary:
        lexicon = self.lexicon
        general, people = lexicon["general"], lexicon["people"]
        lists = {
            key: self.phrases(value)
            for section in (general, people, lexicon["speech"], lexicon["skip"])
            for key, value in section.items()
            if key not in ("good", "bad", "holders", "subjects", "names", "towns")
        }
        lists |= {key: tuple(value.split()) for key, value in lexicon["brands"].items()}
        return Vocabulary(
            domains=tuple(self.domain(name, one) for name, one in lexicon["domain"].items()),
            adjectives=self.adjectives(general),
            predicates=self.polar(general, "_predicates"),
            verbs=(self.listed(general["bad_verbs"]), self.listed(general["good_verbs"])),
            feelings=self.polar(general, "_feelings"),
            moods=self.polar(lexicon["moods"]),
            events=self.polar(lexicon["events"]),
            lists=lists,
            names=self.nouns("name", self.kinds["name"]),
            surnames=self.nouns("surname", self.kinds["surname"]),
            towns=self.nouns("town", self.kinds["town"]),
            titles=tuple(word for word in self.kinds["title"] if self.fits("title", word)),
            holders=self.nouns("holder", people["holders"].split()),
            subjects=self.nouns("subject", self.phrases(people["subjects"])),
            opinions=(
                self.weighted(lexicon["opinions"]["with_thing"]),
                self.weighted(lexicon["opinions"]["without_thing"]),
            ),
            agreeing={word: self.adjective(word) for word in self.kinds["adjective"]},
        )

    def domain(self, name: str, one: dict[str, Any]) -> Domain:
        return Domain(
            name=name,
            weight=one["weight"],
            tail=one["tail"],
            things=self.nouns("thing", one["things"].split()),
            aspects=self.nouns("aspect", one["aspects"].split()),
            adjectives=self.adjectives(one),
            clauses=self.polar(one, "_clauses"),
            facts=self.polar(one, "_facts"),
        )

    def polar(self, section: dict[str, str], kind: str = "") -> Polar:
        return self.phrases(section["bad" + kind]), self.phrases(section["good" + kind])

    def phrases(self, text: str) -> tuple[str, ...]:
        """Split at | outside braces."""
        return self.open(re.split(r"\|(?![^{]*\})", text))

    def listed(self, text: str) -> tuple[str, ...]:
        return self.open(text.split())

    def open(self, found: list[str]) -> tuple[str, ...]:
        """Without those that are marked as held out, unless everything is wanted."""
        return tuple(one.lstrip("!") for one in found if self.everything or one[0] != "!")

    def adjectives(
        self, section: dict[str, str]
    ) -> tuple[tuple[Adjective, ...], tuple[Adjective, ...]]:
        bad, good = (map(self.adjective, self.listed(section[key])) for key in ("bad", "good"))
        return tuple(bad), tuple(good)

    def adjective(self, word: str) -> Adjective:
        _, _, stem, endings = self.rows["adjective", word]
        *forms, comparative = _forms(stem, endings)
        return Adjective(word, tuple(forms), comparative)

    def nouns(self, kind: str, words: list[str] | tuple[str, ...]) -> tuple[Noun, ...]:
        found = []
        for word in words:
            if self.fits(kind, word):
                gender, alive, stem, endings = self.rows[kind, word]
                found.append(Noun(word, gender, bool(alive), _forms(stem, endings)))
        return tuple(found)

    def fits(self, kind: str, word: str) -> bool:
        return self.everything or kind not in OPEN or not is_held_out(word)

    def weighted(self, text: str) -> tuple[tuple[int, str], ...]:
        lines = (line.split(" ", 1) for line in text.strip().splitlines())
        return tuple((int(weight), template) for weight, template in lines)


def _forms(stem: str, endings: str) -> tuple[str, ...]:
    whole = {"-": "", "0": stem}
    return tuple(whole.get(ending, stem + ending) for ending in endings.split(" "))
