"""Templates of `posts-synthetic`: their syntax, and how they become grammatical sentences.

The syntax is explained at the head of posts_templates.toml.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from grader.data.dataset import hidden_only
from grader.data.text.posts_vocabulary import GENDERS, Adjective, Domain, Noun, Polar, Vocabulary

TEMPLATES = Path(__file__).parent / "posts_templates.toml"
HELD_OUT = Path(__file__).parent / "posts_hidden.toml"
"""Templates that only the hidden part uses; students' packages lack the file."""

T = TypeVar("T")


@dataclass(frozen=True)
class Slot:
    """A place in a template that a word or a phrase fills."""

    key: str
    flip: bool
    """Whether the opposite polarity is said here."""
    mark: str
    """One of . : ~ # or nothing."""
    argument: str


@dataclass(frozen=True)
class Choice:
    """One of several options, at random, or by the gender of the writer (masculine, feminine)."""

    options: tuple[tuple[Node, ...], ...]
    by_writer: bool = False


Node = str | Slot | Choice


@dataclass(frozen=True)
class Template:
    """A sentence with slots, and what it does to the label."""

    identity: str
    """The name of its group and its number in it."""
    group: str
    rule: str
    """One of = ~ 0 ? s."""
    polarity: str
    """One of * + -."""
    held_out: bool
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Group:
    """A phenomenon (negation, irony ...) and its templates."""

    name: str
    weight: float
    without: tuple[str, ...]
    """Names of domains that it does not fit."""
    neutral: float
    """Share of its posts from templates of rule 0, in a group that has other rules too."""
    templates: tuple[Template, ...]


@cache
def groups(*, hidden: bool) -> tuple[Group, ...]:
    """All phenomena with their templates. Raises ValueError, and UsageError as `hidden_only`."""
    further = hidden_only(HELD_OUT, "posts-synthetic") if hidden else {}
    found = []
    for name, section in tomllib.loads(TEMPLATES.read_text(encoding="utf-8")).items():
        text = section["templates"] + further.get(name, {"templates": ""})["templates"]
        templates = tuple(
            _template(f"{name}-{number}", name, line)
            for number, line in enumerate(text.strip().splitlines(), start=1)
        )
        without = tuple(section.get("without", "").split())
        neutral = section.get("neutral", 0.0)
        found.append(Group(name, section["weight"], without, neutral, templates))
    return tuple(found)


@cache
def parse(text: str) -> tuple[Node, ...]:
    """The nodes of a template or of a phrase. Raises ValueError."""
    nodes, end = _sequence(text, 0, "")
    if end != len(text):
        raise ValueError(f"{text!r} has something unexpected at character {end}")
    return nodes


@dataclass
class Scene:
    """What one post is about: everything that its slots agree with."""

    words: Vocabulary
    draw: random.Random
    domain: Domain
    thing: Noun
    woman: bool
    mentioned: bool = False
    picked: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    people: dict[str, Noun] = field(default_factory=dict)
    aspects: dict[str, Noun] = field(default_factory=dict)
    tail: Callable[[str], str] = lambda case: ""

    def render(self, nodes: Sequence[Node], sign: int) -> str:
        """The text of nodes; `sign` is 1 where {A} praises and 0 where it blames."""
        text = ""
        for node in nodes:
            if isinstance(node, str):
                text += node
            elif isinstance(node, Slot):
                text += self._slot(node, 1 - sign if node.flip else sign)
            else:
                chosen = node.options[self.woman] if node.by_writer else self.one(node.options)
                text += self.render(chosen, sign)
        return text

    # random() is the only method whose numbers Python promises to keep.

    def one(self, options: Sequence[T]) -> T:
        return options[int(self.draw.random() * len(options))]

    def often_first(self, options: Sequence[T]) -> T:
        """Half of the draws by rank, as words are distributed (Zipf), the other half uniform."""
        if self.draw.random() < 0.5:
            return self.one(options)
        return options[int(len(options) ** self.draw.random()) - 1]

    def fresh(self, options: Sequence[T], name: Callable[[T], str] = str) -> T:
        """One that this post does not have yet, unless six draws do not find any."""
        for _ in range(6):
            chosen = self.one(options)
            if name(chosen) not in self.used:
                break
        self.used.add(name(chosen))
        return chosen

    def _slot(self, slot: Slot, sign: int) -> str:
        key, case = slot.key, slot.argument or "и"
        if key == "T":
            return self._thing(slot)
        if key == "S":
            return "" if self.mentioned else self._thing(Slot("T", False, "", ""))
        if key[0] == "H" or re.fullmatch(r"N2?", key):
            return self._agree(self._person(key), slot)
        if key in ("A", "A2", "G"):
            return self._adjective(sign, gradable=key == "G").form(self.thing, case)
        if key in ("B", "B2"):
            return self._aspect(key).form(case)
        if key in ("AB", "AB2"):
            noun = self._aspect(key[1:])
            chosen = self.fresh(self.words.adjectives[sign], lambda one: one.word)
            return chosen.form(noun, case)
        if key == "K":
            return self._adjective(sign, gradable=True).comparative
        if key in ("O", "O2"):
            return self._opinion(sign)
        if key[0] == "C":
            return self._phrase(self.domain.clauses, {"C+": 1, "C_": 0}.get(key, sign))
        if key == "X":
            return self._phrase(self.domain.facts, sign)
        if key in _POLAR:
            return self._phrase(getattr(self.words, _POLAR[key]), sign)
        if key == "V":
            return conjugate(self.fresh(self.words.verbs[sign]), self.thing.gender)
        if key in ("city", "city2"):
            if key not in self.people:
                self.people[key] = self.often_first(self.words.towns)
            return self.people[key].form(case)
        if key in ("thing", "thing2"):
            return self.one(self.one(self.words.domains[2:3]).things).form(case)
        if key not in self.picked:
            kind = key.rstrip("23")
            if kind == "title":
                said = self.title()
            elif kind == "fam":
                noun = self.often_first(self.words.surnames)
                said = surname(noun, self._person("N").gender, "и")
            else:
                said = self.render(parse(self.fresh(self.words.lists[kind])), 1)
            self.picked[key] = said
        return self.picked[key]

    def _thing(self, slot: Slot) -> str:
        if slot.mark in (":", "~", "#") or slot.argument in PRONOUNS:
            return self._agree(self.thing, slot)
        case = slot.argument or "и"
        tail = "" if self.mentioned else self.tail(case)
        self.mentioned = True
        return self.thing.form(case) + tail

    def _agree(self, noun: Noun, slot: Slot) -> str:
        place = GENDERS.index(noun.gender)
        if slot.mark == ":":
            return conjugate(slot.argument, noun.gender)
        if slot.mark == "~":
            word, _, case = slot.argument.partition(".")
            return self.words.agreeing[word].form(noun, case or "и")
        if slot.mark == "#":
            return slot.argument.split("|")[noun.gender == "-"]
        if slot.argument in PRONOUNS:
            return PRONOUNS[slot.argument][place]
        return noun.form(slot.argument or "и")

    def _person(self, key: str) -> Noun:
        if key not in self.people:
            named = key != "H" or self.draw.random() < 0.35
            words = self.words
            self.people[key] = self.often_first(words.names) if named else self.one(words.holders)
        return self.people[key]

    def _aspect(self, key: str) -> Noun:
        if key not in self.aspects:
            self.aspects[key] = self.fresh(self.domain.aspects, lambda noun: noun.word)
        return self.aspects[key]

    def _adjective(self, sign: int, gradable: bool) -> Adjective:
        own = self.domain.adjectives[sign]
        for _ in range(8):
            pool = own if self.draw.random() < 0.4 else self.words.adjectives[sign]
            chosen = self.fresh(pool, lambda one: one.word)
            if chosen.comparative or not gradable:
                break
        return chosen

    def _opinion(self, sign: int) -> str:
        text = weighted(self.words.opinions[self.mentioned], self.draw)
        kept = dict(self.aspects)
        self.aspects.clear()
        said = self.render(parse(text), sign)
        self.aspects.update(kept)
        return said

    def _phrase(self, options: Polar, sign: int) -> str:
        return self.render(parse(self.fresh(options[sign])), sign)

    def title(self) -> str:
        chance = self.draw.random()
        if chance < 0.06:
            return self.one(self.words.lists["feeling"])
        title = self.often_first(self.words.titles).capitalize()
        if chance > 0.9:
            title += " и " + self.often_first(self.words.titles)
        return title


_POLAR = {"E": "events", "M": "moods", "P": "predicates", "L": "feelings"}
"""Fields of a vocabulary by their slots."""
PRONOUNS = {
    "он": ("он", "она", "оно", "они"),
    "него": ("него", "неё", "него", "них"),
    "ним": ("ним", "ней", "ним", "ними"),
    "ему": ("ему", "ей", "ему", "им"),
}
_IRREGULAR = {
    "пришёл": ("пришёл", "пришла", "пришло", "пришли"),
    "ушёл": ("ушёл", "ушла", "ушло", "ушли"),
    "мог": ("мог", "могла", "могло", "могли"),
    "помог": ("помог", "помогла", "помогло", "помогли"),
    "прав": ("прав", "права", "право", "правы"),
    "недоволен": ("недоволен", "недовольна", "недовольно", "недовольны"),
    "назначен": ("назначен", "назначена", "назначено", "назначены"),
    "ошибся": ("ошибся", "ошиблась", "ошиблось", "ошиблись"),
}


def weighted(options: Sequence[tuple[float, T]], draw: random.Random) -> T:
    """One of (weight, option), as often as its weight says."""
    place = draw.random() * sum(weight for weight, _ in options)
    for weight, option in options:
        place -= weight
        if place < 0:
            return option
    return options[-1][1]


def conjugate(word: str, gender: str) -> str:
    """A past verb or a short adjective, given in the masculine, in any gender or the plural."""
    place = GENDERS.index(gender)
    if word in _IRREGULAR:
        return _IRREGULAR[word][place]
    if word.endswith("лся"):
        return word[:-2] + ("ся", "ась", "ось", "ись")[place]
    if word.endswith("л"):
        return word + ("", "а", "о", "и")[place]
    raise ValueError(f"{word!r} is no past verb that is known")


def surname(noun: Noun, gender: str, case: str) -> str:
    """The form of a surname, which is listed in the masculine, for a person of either gender."""
    if gender != "ж":
        return noun.form(case)
    if noun.word.endswith("ий"):
        return noun.word[:-2] + {"и": "ая", "в": "ую"}.get(case, "ой")
    return noun.word + {"и": "а", "в": "у"}.get(case, "ой")


def _template(identity: str, group: str, line: str) -> Template:
    held_out = line.startswith("! ")
    fields = line.removeprefix("! ").split(" ", 2)
    if len(fields) != 3 or fields[0] not in "=~0?s+-" or fields[1] not in "*+-":
        raise ValueError(f"template {identity} is no LABEL POLARITY TEXT: {line!r}")
    rule, polarity, text = fields
    if rule in "+-":  # the label itself, said with the drawn polarity
        rule = "=" if rule == polarity else "~"
    return Template(identity, group, rule, polarity, held_out, parse(text))


def _sequence(text: str, at: int, stops: str) -> tuple[tuple[Node, ...], int]:
    nodes: list[Node] = []
    start = at
    while at < len(text) and text[at] not in stops:
        if text[at] not in "[{":
            at += 1
            continue
        if start < at:
            nodes.append(text[start:at])
        node, at = _choice(text, at + 1) if text[at] == "[" else _braces(text, at + 1)
        nodes.append(node)
        start = at
    if start < at:
        nodes.append(text[start:at])
    return tuple(nodes), at


def _choice(text: str, at: int) -> tuple[Choice, int]:
    options = []
    while True:
        nodes, at = _sequence(text, at, "|]")
        options.append(nodes)
        if at >= len(text):
            raise ValueError(f"{text!r} has a [ that is not closed")
        at += 1
        if text[at - 1] == "]":
            return Choice(tuple(options)), at


def _braces(text: str, at: int) -> tuple[Node, int]:
    end = text.find("}", at)
    if end < 0:
        raise ValueError(f"{text!r} has a {{ that is not closed")
    inside = text[at:end]
    if re.match("[а-яё]", inside):
        options = tuple((option,) if option else () for option in inside.split("|"))
        if len(options) != 2:
            raise ValueError(f"{text!r}: {{{inside}}} needs a masculine and a feminine form")
        return Choice(options, by_writer=True), end + 1
    found = re.fullmatch(r"(-?)([A-Za-z]+[0-9+_]?)(?:([.:~#])(.+))?", inside)
    if not found:
        raise ValueError(f"{text!r}: {{{inside}}} is no slot")
    flip, key, mark, argument = found.groups()
    key = "next" if key == "time2" else key
    return Slot(key, bool(flip), mark or "", argument or ""), end + 1
