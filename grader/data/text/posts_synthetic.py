"""`posts-synthetic`: short Russian posts whose label follows from how they are put together.

A template says how an opinion is wrapped (negated, contrasted, quoted, unreal, ironic ...) and what
that does to its label. Almost all are used with praise and with blame, so that a single word
decides little. The templates of posts_hidden.toml and 15% of the words are held out of
the public parts and new in the hidden one.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import logging
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np

from grader.data import cache, seeds
from grader.data.dataset import PARTS, PUBLIC_PARTS, Dataset, Part, Progress, Request
from grader.data.text import posts_grammar, posts_noise, posts_vocabulary
from grader.data.text.posts import LABELS, PostSet, spelling_key
from grader.data.text.posts_grammar import Group, Scene, Template, surname, weighted
from grader.lesson.grades import write_atomically
from grader.text import Text

NAME = "posts-synthetic"
MAKING = Text("writing posts")

_SHARES: dict[Part, tuple[int, ...]] = {"train": (0, 1, 2, 3), "validation": (4,), "hidden": (5,)}
"""The remainders of a post's checksum that belong to each part."""
_MAX_LENGTH = 280
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PostSettings:
    """How many posts each part has, and how many training labels are wrong."""

    train: int = 48_000
    validation: int = 4_000
    hidden: int = 6_000
    label_noise: float = 0.04
    """Share of the training posts with a random wrong label; the other parts have none."""
    held_out_templates: float = 0.15
    """Share of the hidden posts from templates that the public parts never use."""
    version: int = 1
    """Raise it when the code changes what comes out."""


class _Stored(msgspec.Struct, frozen=True):
    """What the file in the cache holds."""

    fingerprint: str
    texts: list[str]
    labels: list[int]
    groups: list[str]


def write(
    part: Part,
    seed: str | None = None,
    settings: PostSettings | None = None,
    progress: Progress | None = None,
) -> tuple[PostSet, tuple[str, ...]]:
    """The posts of one part, and the identity of each one's template; nothing is cached.

    `seed` decides the hidden part only.
    """
    settings = settings or PostSettings()
    draw, label_draw = (
        random.Random(seeds.entropy(NAME, part, seed, f"{part}/{use}")) for use in ("text", "label")
    )
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
        for place, label in enumerate(labels):
            if label_draw.random() < settings.label_noise:
                shift = 1 + int(label_draw.random() * (len(LABELS) - 1))
                labels[place] = (label + shift) % len(LABELS)
    groups = tuple(template.group for template in chosen)
    made = PostSet(NAME, part, tuple(texts), np.array(labels, np.int64), groups)
    return made, tuple(template.identity for template in chosen)


class _Author:
    """Draws posts of one part."""

    def __init__(self, part: Part, draw: random.Random, settings: PostSettings) -> None:
        self.draw = draw
        self.words = posts_vocabulary.vocabulary(everything=part == "hidden")
        self.groups = [
            (group.weight, group) for group in posts_grammar.groups(hidden=part == "hidden")
        ]
        self.held_out_share = settings.held_out_templates if part == "hidden" else 0.0
        self.domains = [(domain.weight, domain) for domain in self.words.domains]

    def post(self) -> tuple[str, int, Template]:
        """Text, label and template of one post."""
        group = weighted(self.groups, self.draw)
        template = self._template(group)
        sign = {"+": 1, "-": 0}.get(template.polarity)
        if sign is None:
            sign = int(self.draw.random() * 2)
        scene = self._scene(group)
        text = re.sub(r"\s+", " ", scene.render(template.nodes, sign)).strip()
        text = re.sub(r"([!?])[.,](?= |$)", r"\1", text)
        polar = ("negative", "positive")
        fixed = {"0": "neutral", "?": "skip", "s": "speech"}
        label = {"=": polar[sign], "~": polar[1 - sign], **fixed}[template.rule]
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
            domain = weighted(self.domains, self.draw)
            if domain.name not in group.without:
                break
        thing = domain.things[int(self.draw.random() * len(domain.things))]
        scene = Scene(self.words, self.draw, domain, thing, self.draw.random() < 0.5)
        if self.draw.random() < _TAIL_SHARES.get(domain.tail, 0.0):
            scene.tail = _tail(scene, domain.tail)
        return scene


_TAIL_SHARES = {"title": 0.45, "brand": 0.4, "city": 0.4, "surname": 0.5, "about": 0.5}
"""How often something follows the name of a thing, by the domain's kind of tail."""


def _tail(scene: Scene, kind: str) -> Callable[[str], str]:
    """What follows the name of a thing, as a function of the case that the thing is in."""
    match kind:
        case "brand":
            lists = scene.words.lists
            tail = " " + scene.one(lists["beginnings"]) + scene.one(lists["endings"])
            if scene.draw.random() < 0.4:
                tail += f" {scene.one('ABCGKMPRSTXZ')}{1 + int(scene.draw.random() * 99)}"
        case "city":
            tail = f" в {scene.often_first(scene.words.towns).form('п')}"
        case "surname":
            noun, gender = scene.often_first(scene.words.surnames), scene.thing.gender
            return lambda case: f" {surname(noun, gender, case)}"
        case "about":
            tail = f" по {scene.one(scene.words.subjects).form('д')}"
        case _:
            tail = f" «{scene.title()}»"
    return lambda case: tail


def _load(request: Request) -> PostSet:
    """One part, from the cache or written now."""
    part = request.part
    path = _path(part, request.seed, request.settings or PostSettings())
    if found := _read(path, part):
        return found
    with cache.locked(path, request.progress):
        if found := _read(path, part):
            return found
        made, _ = write(part, request.seed, request.settings, request.progress)
        stored = _Stored(
            made.fingerprint, list(made.texts), made.labels.tolist(), list(made.groups)
        )
        write_atomically(path, msgspec.json.encode(stored))
    return made


def _path(part: Part, seed: str | None, settings: PostSettings) -> Path:
    values = {name: value for name, value in asdict(settings).items() if name not in PARTS}
    values[part] = getattr(settings, part)
    entropy = seeds.entropy(NAME, part, seed, f"{part}/text")
    what = f"{sorted(values.items())}/{entropy:x}/{_recipe()}"
    key = hashlib.sha256(what.encode()).hexdigest()[:20]
    return cache.entry(NAME, part, key).with_suffix(".json")


@functools.cache
def _recipe() -> str:
    """A digest of the tables and the code that decide the posts; part of the cache key."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("posts*")):
        if path.suffix == ".py":
            digest.update(code_only(path.read_bytes()).encode())
        elif path.suffix in (".toml", ".tsv"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def code_only(source: bytes) -> str:
    """The syntax tree of a module without its imports, comments and docstrings."""

    class Remover(ast.NodeTransformer):
        def visit_Import(self, node: ast.Import) -> None: ...

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None: ...

        def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
            return None if isinstance(node.value, ast.Constant) else node

    return ast.dump(Remover().visit(ast.parse(source)))


def _read(path: Path, part: Part) -> PostSet | None:
    """What the cache holds, or None (and a line in the log where it is damaged)."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        labels, groups = np.array(stored.labels, np.int64), tuple(stored.groups)
        found = PostSet(NAME, part, tuple(stored.texts), labels, groups)
        if found.fingerprint == stored.fingerprint:
            return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError, msgspec.MsgspecError):
        pass
    _log.warning("%s is damaged; preparing it again", path)
    return None


_POSTS = PostSettings.train + PostSettings.validation + PostSettings.hidden
DATASET = Dataset(
    name=NAME,
    holds=PostSet,
    title=Text("Russian posts in five classes of sentiment, made from templates (built in)"),
    license="made on this machine, no rights in it",
    size=Text("{posts:,} posts", posts=_POSTS),
    address=__name__,
    settings=PostSettings,
    load=_load,
    is_prepared=lambda: all(_path(part, None, PostSettings()).is_file() for part in PUBLIC_PARTS),
)
