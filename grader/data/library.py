"""Loading and preparing any data set by its name: clips with `load`, chats with `load_pairs`,
posts with `load_posts`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from grader.data import (
    chat_synthetic,
    posts_synthetic,
    prepared,
    rusentiment,
    store,
    synthetic,
    tinychat,
)
from grader.data.chat import PairSet
from grader.data.chat_synthetic import ChatSettings
from grader.data.clips import PARTS, ClipSet, Part, Progress
from grader.data.fsdd import FsddSettings
from grader.data.posts import PostSet
from grader.data.posts_synthetic import PostSettings
from grader.data.settings import SyntheticSettings
from grader.errors import UsageError
from grader.text import Text

ALIASES = {"speech-commands": "speech-commands-v0.01"}

CHATS = (chat_synthetic.NAME, tinychat.NAME)
POSTS = (posts_synthetic.NAME, rusentiment.NAME)

Settings = SyntheticSettings | FsddSettings


def load(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> ClipSet:
    """One part of a data set, from the cache or prepared now.

    `source`: a folder (or an archive of Speech Commands) to read a recorded data set from;
    not needed once `get` has prepared it. `seed`: the instructor's secret, for the hidden part
    of speech-synthetic (see `hidden_seed`). `settings` of another data set are not looked at,
    so a lesson may always pass its own.

    Raises UsageError for an unknown name or part or a missing seed, DataError for data that is
    missing or damaged.
    """
    name = _known(name)
    if part not in PARTS:
        raise _unknown("part", "часть", str(part), PARTS)
    if name != synthetic.NAME:
        chosen = settings if isinstance(settings, FsddSettings) else None
        return prepared.open_part(name, part, source, chosen, progress)
    _refuse_source(name, source)
    if part == "hidden" and not seed:
        raise _needs_seed(name)
    wanted = settings if isinstance(settings, SyntheticSettings) else SyntheticSettings()
    entropy = synthetic.entropy(part, seed)
    return store.open_or_build(
        name,
        part,
        wanted.keyword,
        synthetic.cache_key(part, wanted, entropy),
        partial(
            synthetic.build, part=part, settings=wanted, seed_entropy=entropy, progress=progress
        ),
        progress,
    )


def load_pairs(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: ChatSettings | None = None,
) -> PairSet:
    """One part of a chat data set; arguments and errors as those of `load`."""
    if name not in CHATS:
        raise _unknown("chat data set", "набор диалогов", name, CHATS)
    if part not in PARTS:
        raise _unknown("part", "часть", str(part), PARTS)
    if name == tinychat.NAME:
        return tinychat.load(part, source)
    _refuse_source(name, source)
    if part == "hidden" and not seed:
        raise _needs_seed(name)
    return chat_synthetic.load(part, seed, settings)


def load_posts(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: PostSettings | None = None,
    progress: Progress | None = None,
) -> PostSet:
    """One part of a set of posts; arguments and errors as those of `load`.

    The hidden part of rusentiment is its published test set.
    """
    if name not in POSTS:
        raise _unknown("set of posts", "набор постов", name, POSTS)
    if part not in PARTS:
        raise _unknown("part", "часть", str(part), PARTS)
    if name == rusentiment.NAME:
        return rusentiment.load(part, source)
    _refuse_source(name, source)
    if part == "hidden" and not seed:
        raise _needs_seed(name)
    return posts_synthetic.load(part, seed, settings, progress)


def get(
    name: str, source: Path | None = None, progress: Progress | None = None
) -> Mapping[Part, ClipSet | PairSet | PostSet]:
    """Prepare a data set: synthesise it, download it, or take it from `source`.

    Returns its parts (without the hidden one of a synthetic set, which takes a seed); `load`,
    `load_pairs` or `load_posts` finds them without a source afterwards. Raises as `load` does.
    """
    public: tuple[Part, ...] = ("train", "validation")
    if name == tinychat.NAME:
        tinychat.get(source, progress)
        return {part: tinychat.load(part) for part in PARTS}
    if name == chat_synthetic.NAME:
        return {part: load_pairs(name, part, source=source) for part in public}
    if name == rusentiment.NAME:
        rusentiment.get(source, progress)
        return {part: rusentiment.load(part) for part in PARTS}
    if name == posts_synthetic.NAME:
        return {part: load_posts(name, part, source=source, progress=progress) for part in public}
    name = _known(name)
    if name != synthetic.NAME:
        return prepared.prepare(name, source, progress)
    _refuse_source(name, source)
    return {part: load(name, part, progress=progress) for part in public}


def _known(name: str) -> str:
    name = ALIASES.get(name, name)
    names = (synthetic.NAME, *prepared.names())
    if name not in names:
        names += CHATS + POSTS
        raise _unknown("data set", "набор данных", name, names)
    return name


def _needs_seed(name: str) -> UsageError:
    return UsageError(
        Text(
            en=f"The hidden part of {name} needs the instructor's seed, and none is given.",
            ru=f"Скрытая часть {name} строится из секретного зерна преподавателя, а оно не задано.",
        )
    )


def _refuse_source(name: str, source: Path | None) -> None:
    if source is not None:
        raise UsageError(
            Text(
                en=f"{name} is built in; leave out --from.",
                ru=f"{name} — встроенный набор; уберите --from.",
            )
        )


def _unknown(en: str, ru: str, found: str, known: tuple[str, ...]) -> UsageError:
    listed = ", ".join(known)
    return UsageError(
        Text(
            en=f"Unknown {en} {found!r}; known are {listed}.",
            ru=f"Неизвестно, что такое {ru} {found!r}; есть {listed}.",
        )
    )
