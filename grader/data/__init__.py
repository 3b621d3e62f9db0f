"""Data sets: built in, downloaded, or from a folder; features computed once and cached.

from grader.data import load, load_pairs, load_posts
train = load("speech-synthetic", "train")
hidden = load("speech-synthetic", "hidden", seed="...")
digits = load("fsdd", "hidden", source=Path("fsdd"))
pairs = load_pairs("chat-synthetic", "train")
posts = load_posts("posts-synthetic", "train")

A data set is added in one place: `DATASETS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from grader.data.dataset import (
    PARTS,
    PUBLIC_PARTS,
    Dataset,
    Part,
    Progress,
    Request,
    needs_seed,
    unknown,
)
from grader.data.seeds import hidden_seed
from grader.data.speech import fsdd, speech_commands, synthetic
from grader.data.speech.clips import ClipSet
from grader.data.speech.fsdd import FsddSettings
from grader.data.speech.synthetic import Size, SyntheticSettings
from grader.data.text import chat_synthetic, posts_synthetic, rusentiment, tinychat
from grader.data.text.chat import Pair, PairSet, Position
from grader.data.text.chat_synthetic import ChatSettings
from grader.data.text.posts import PostSet
from grader.data.text.posts_synthetic import PostSettings
from grader.text import Text
from grader.text.errors import UsageError

__all__ = [
    "DATASETS",
    "PARTS",
    "ChatSettings",
    "ClipSet",
    "Dataset",
    "FsddSettings",
    "Pair",
    "PairSet",
    "Part",
    "Position",
    "PostSet",
    "PostSettings",
    "Progress",
    "Request",
    "Size",
    "SyntheticSettings",
    "get",
    "hidden_seed",
    "load",
    "load_pairs",
    "load_posts",
]

_DATASETS: tuple[Dataset[Any], ...] = (
    synthetic.DATASET,
    *speech_commands.DATASETS,
    fsdd.DATASET,
    chat_synthetic.DATASET,
    tinychat.DATASET,
    posts_synthetic.DATASET,
    rusentiment.DATASET,
)
DATASETS = {dataset.name: dataset for dataset in _DATASETS}
"""All data sets by name; the first needs nothing."""

T = TypeVar("T")


def load(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: SyntheticSettings | FsddSettings | None = None,
    progress: Progress | None = None,
) -> ClipSet:
    """One part of a data set of clips, from the cache or prepared now.

    `source`: a folder (or an archive of Speech Commands) to read a recorded data set from;
    not needed once `get` has prepared it. `seed`: the instructor's secret, for the hidden part
    of built-in data (see `hidden_seed`). `settings` of another data set are not looked at, so
    a lesson may always pass its own.

    Raises UsageError for an unknown name or part or a missing seed, DataError for data that is
    missing or damaged.
    """
    dataset = _find(name, ClipSet, Text("data set"))
    return _load(dataset, Request(part, source, seed, settings, progress))


def load_pairs(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: ChatSettings | None = None,
    progress: Progress | None = None,
) -> PairSet:
    """One part of a chat data set; arguments and errors as those of `load`."""
    dataset = _find(name, PairSet, Text("chat data set"))
    return _load(dataset, Request(part, source, seed, settings, progress))


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
    dataset = _find(name, PostSet, Text("set of posts"))
    return _load(dataset, Request(part, source, seed, settings, progress))


def get(
    name: str, source: Path | None = None, progress: Progress | None = None
) -> Mapping[Part, ClipSet | PairSet | PostSet]:
    """Prepare a data set: synthesize it, download it, or take it from `source`.

    Returns its parts (without the hidden one of built-in data, which takes a seed); `load`,
    `load_pairs` or `load_posts` finds them without a source afterwards. Raises as `load` does.
    """
    dataset: Dataset[Any] = _find(name, object, Text("data set"))
    if dataset.prepare is None:
        return {
            part: _load(dataset, Request(part, source, progress=progress)) for part in PUBLIC_PARTS
        }
    dataset.prepare(source, progress)
    return {part: _load(dataset, Request(part)) for part in PARTS}


def _find(name: str, holds: type[T], kind: Text) -> Dataset[T]:
    """The entry of a data set whose parts are of the class `holds`; `kind` names it."""
    fitting = [dataset for dataset in DATASETS.values() if issubclass(dataset.holds, holds)]
    for dataset in fitting:
        if name in (dataset.name, dataset.alias):
            return dataset
    raise unknown(kind, name, tuple(dataset.name for dataset in fitting))


def _load(dataset: Dataset[T], request: Request) -> T:
    """One part, after what is common to all data sets was checked."""
    if request.part not in PARTS:
        raise unknown(Text("part"), request.part, PARTS)
    if dataset.prepare is None:
        if request.source is not None:
            raise UsageError("{name} is built in; leave out --from.", name=dataset.name)
        if request.part == "hidden" and not request.seed:
            raise needs_seed(dataset.name)
    if dataset.settings is None or not isinstance(request.settings, dataset.settings):
        request = replace(request, settings=None)
    return dataset.load(request)
