"""`posts-synthetic`: short Russian posts whose label follows from how they are put together.

A template says how an opinion is wrapped (negated, contrasted, quoted, unreal, ironic ...) and what
that does to its label; almost all are said with praise and with blame alike, so that a single word
decides little. Held out of the public parts, and so new in the hidden one: the templates
marked in posts_templates.toml and 15% of the words.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from grader.data import store
from grader.data.speech.clips import PARTS, Part, Progress
from grader.data.text import posts_grammar, posts_noise, posts_vocabulary
from grader.data.text.posts import LABELS, PostSet, spelling_key
from grader.data.text.posts_grammar import Group, Scene, Template, surname
from grader.text import Text

NAME = "posts-synthetic"
PUBLIC_SEED = "public"
MAKING = Text(en="writing posts", ru="составление постов")

_SHARES: dict[Part, tuple[int, ...]] = {"train": (0, 1, 2, 3), "validation": (4,), "hidden": (5,)}
"""Which remainders of a post's checksum belong to which part."""
_MAX_LENGTH = 280
_log = logging.getLogger(__name__)

Option = TypeVar("Option")


@dataclass(frozen=True)
class PostSettings:
    """How many posts each part has, and how many training labels are wrong."""

    train: int = 48_000
    validation: int = 4_000
    hidden: int = 6_000
    label_noise: float = 0.04
    """Share of the training posts with another label, whichever; the other parts have none."""
    held_out_templates: float = 0.15
    """Share of the hidden posts from templates that the public parts never use."""
    version: int = 1
    """Raise it when the code changes what comes out."""


class _Stored(msgspec.Struct, frozen=True):
    fingerprint: str
    texts: list[str]
    labels: list[int]
    groups: list[str]


def load(
    part: Part,
    seed: str | None = None,
    settings: PostSettings | None = None,
    progress: Progress | None = None,
) -> PostSet:
    """One part, from the cache or written now; `seed` decides the hidden part only."""
    settings = settings or PostSettings()
    path = _path(part, seed, settings)
    if path.exists() and (found := _read(path, part)):
        return found
    with store.locked(path, progress):
        if path.exists() and (found := _read(path, part)):
            return found
        made, _ = write(part, seed, settings, progress)
        stored = _Stored(
            made.fingerprint, list(made.texts), made.labels.tolist(), list(made.groups)
        )
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.write_bytes(msgspec.json.encode(stored))
        partial.replace(path)
    return made


def write(
    part: Part,
    seed: str | None = None,
    settings: PostSettings | None = None,
    progress: Progress | None = None,
) -> tuple[PostSet, tuple[str, ...]]:
    """The posts of one part, and the identity of each one's template; nothing is cached."""
    settings = settings or PostSettings()
    draw, label_draw = (random.Random(_entropy(part, seed, use)) for use in ("text", "label"))
    author = _Author(part, draw, settings)
    wanted: int = getattr(settings, part)
    texts: list[str] = []
    labels: list[int] = []
    chosen: list[Template] = []
    seen: set[str] = set()
    while len(texts) < wanted:
        text, label, template = author.post()
        key = spelling_key(text)
        share = zlib.crc32(f"{NAME}/{key}".encode()) % 6
        if key in seen or share not in _SHARES[part] or len(text) > _MAX_LENGTH:
            continue
        seen.add(key)
        texts.append(text)
        labels.append(label)
        chosen.append(template)
        if progress and len(texts) % 1_000 == 0:
            progress(len(texts), wanted, MAKING)
    if part == "train":
        labels = [_mislabelled(label, label_draw, settings.label_noise) for label in labels]
    made = PostSet(
        NAME,
        part,
        tuple(texts),
        np.array(labels, np.int64),
        tuple(template.group for template in chosen),
    )
    return made, tuple(template.identity for template in chosen)


def is_cached(part: Part, settings: PostSettings | None = None) -> bool:
    return _path(part, None, settings or PostSettings()).is_file()


class _Author:
    """Draws posts of one part."""

    def __init__(self, part: Part, draw: random.Random, settings: PostSettings) -> None:
        self.draw = draw
        self.words = posts_vocabulary.vocabulary(everything=part == "hidden")
        self.groups = posts_grammar.groups()
        self.held_out_share = settings.held_out_templates if part == "hidden" else 0.0
        self.group_weights = [group.weight for group in self.groups]
        self.domain_weights = [domain.weight for domain in self.words.domains]

    def post(self) -> tuple[str, int, Template]:
        """Text, label and template of one post."""
        group = self._weighted(self.groups, self.group_weights)
        template = self._template(group)
        sign = {"+": 1, "-": 0}.get(template.polarity)
        if sign is None:
            sign = int(self.draw.random() * 2)
        scene = self._scene(group)
        text = _tidy(scene.render(template.nodes, sign))
        label = _label(template.rule, sign)
        return posts_noise.spell(text, label, self.draw), LABELS.index(label), template

    def _template(self, group: Group) -> Template:
        held_out = self.draw.random() < self.held_out_share
        options = group.templates
        if group.neutral:
            neutral = self.draw.random() < group.neutral
            options = tuple(one for one in options if (one.rule == "0") == neutral)
        fitting = [one for one in options if one.held_out == held_out]
        fitting = fitting or [one for one in options if not one.held_out]
        return fitting[int(self.draw.random() * len(fitting))]

    def _scene(self, group: Group) -> Scene:
        while True:
            domain = self._weighted(self.words.domains, self.domain_weights)
            if domain.name not in group.without:
                break
        thing = domain.things[int(self.draw.random() * len(domain.things))]
        scene = Scene(self.words, self.draw, domain, thing, self.draw.random() < 0.5)
        if self.draw.random() < _TAILED.get(domain.tail, 0.0):
            scene.tail = _TAILS[domain.tail](scene)
        return scene

    def _weighted(self, options: Sequence[Option], weights: Sequence[float]) -> Option:
        place = self.draw.random() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            place -= weight
            if place < 0:
                return option
        return options[-1]


_TAILED = {"title": 0.45, "brand": 0.4, "city": 0.4, "surname": 0.5, "about": 0.5}


def _title_tail(scene: Scene) -> Callable[[str], str]:
    title = scene.title()
    return lambda case: f" «{title}»"


def _brand_tail(scene: Scene) -> Callable[[str], str]:
    lists = scene.words.lists
    brand = scene.one(lists["beginnings"]) + scene.one(lists["endings"])
    if scene.draw.random() < 0.4:
        brand += f" {scene.one('ABCGKMPRSTXZ')}{1 + int(scene.draw.random() * 99)}"
    return lambda case: f" {brand}"


def _city_tail(scene: Scene) -> Callable[[str], str]:
    town = scene.often_first(scene.words.towns).form("п")
    return lambda case: f" в {town}"


def _surname_tail(scene: Scene) -> Callable[[str], str]:
    noun = scene.often_first(scene.words.surnames)
    gender = scene.thing.gender
    return lambda case: f" {surname(noun, gender, case)}"


def _about_tail(scene: Scene) -> Callable[[str], str]:
    subject = scene.one(scene.words.subjects).form("д")
    return lambda case: f" по {subject}"


_TAILS: dict[str, Callable[[Scene], Callable[[str], str]]] = {
    "title": _title_tail,
    "brand": _brand_tail,
    "city": _city_tail,
    "surname": _surname_tail,
    "about": _about_tail,
}


def _label(rule: str, sign: int) -> str:
    polar = ("negative", "positive")
    if rule == "=":
        return polar[sign]
    if rule == "~":
        return polar[1 - sign]
    return {"0": "neutral", "?": "skip", "s": "speech"}[rule]


def _mislabelled(label: int, draw: random.Random, share: float) -> int:
    if draw.random() >= share:
        return label
    return (label + 1 + int(draw.random() * (len(LABELS) - 1))) % len(LABELS)


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"([!?])[.,](?= |$)", r"\1", text)


def _entropy(part: Part, seed: str | None, use: str) -> int:
    """128 bits from a seed; the seed cannot be read back from them."""
    hidden = part == "hidden"
    key = seed if hidden and seed is not None else PUBLIC_SEED
    message = f"small-fast-nets/{NAME}/{part}/{use}"
    return int.from_bytes(hmac.digest(key.encode(), message.encode(), "sha256")[:16])


def _path(part: Part, seed: str | None, settings: PostSettings) -> Path:
    values = asdict(settings)
    for other in PARTS:
        if other != part:
            del values[other]
    what = f"{sorted(values.items())}/{_entropy(part, seed, 'text'):x}/{_recipe()}"
    key = hashlib.sha256(what.encode()).hexdigest()[:20]
    return store.cache_root() / "data" / f"{NAME}-{part}-{key}.json"


@cache
def _recipe() -> str:
    """A digest of all that decides what is written: another recipe, another cache entry."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("posts*")):
        if path.suffix in (".py", ".toml", ".tsv"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: Path, part: Part) -> PostSet | None:
    """What the cache holds, or None (and a line in the log) where it is damaged."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        found = PostSet(
            NAME,
            part,
            tuple(stored.texts),
            np.array(stored.labels, np.int64),
            tuple(stored.groups),
        )
        if found.fingerprint == stored.fingerprint:
            return found
    except (OSError, ValueError, IndexError, msgspec.MsgspecError):
        pass
    _log.warning("%s is damaged; preparing it again", path)
    return None
