"""Long recordings for streaming detectors: slots of one second, glued.

A slot is one word with noise around it, or noise alone, and the samples at which the word is
spoken are known. Glued one after another they are a stream of any length; `short_tracks` draws
tracks of 10 to 20 s with 0 to 3 keywords from them.

`speech-synthetic` speaks its slots anew, from the same voices as its clips; the hidden ones come
from the instructor's seed. `fsdd` takes its recordings, several times in different order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data import cache, seeds
from grader.data.dataset import Part, Progress, Request, needs_seed
from grader.data.speech import fsdd, synthetic
from grader.data.speech.clips import CLIP_SAMPLES
from grader.data.speech.synthetic import Size, SyntheticSettings
from grader.lesson import course
from grader.text import Text
from grader.text.errors import UsageError

VERSION = 2
"""Raise it when the code changes what comes out."""
SHARD = 1_000
FSDD_ROUNDS = 3
"""How often each recording of fsdd is heard, each time between other neighbors."""
PREPARING = Text("preparing long tracks")


@dataclass(frozen=True)
class SlotCounts:
    """What the pool of one part holds. For fsdd only `background` counts, the rest is recorded."""

    keywords: int
    others: int
    background: int


TRAIN = SlotCounts(2_500, 9_500, 1_000)
VALIDATION = SlotCounts(300, 800, 100)
HIDDEN = SlotCounts(900, 2_400, 300)
"""An hour: 3,600 slots. A lesson may ask for other numbers."""


@dataclass(frozen=True, eq=False)
class Slots:
    """One part: a pool of seconds in the order in which they make the long stream."""

    name: str
    part: Part
    keyword: str
    audio: NDArray[np.int16] = field(repr=False)
    """(slots, 16000) at 16 kHz, mapped from the cache."""
    path: Path
    """The `.npy` file behind `audio`; it holds no label."""
    labels: NDArray[np.uint8] = field(repr=False)
    """(slots,) 1 where the keyword is spoken."""
    spans: NDArray[np.int32] = field(repr=False)
    """(slots, 2) first sample of the word and the one after its last; (0, 0) without a word."""
    words: list[str] = field(repr=False)
    sources: list[str] = field(repr=False)
    """What was recorded: equal for slots that repeat one recording."""
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Track:
    """A short recording as the slots it is glued from."""

    slots: tuple[int, ...]

    @property
    def samples(self) -> int:
        return len(self.slots) * CLIP_SAMPLES


class _Facts(msgspec.Struct, frozen=True):
    """What `facts.json` says of each slot."""

    words: list[str]
    sources: list[str]


def load(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    counts: SlotCounts | None = None,
    settings: SyntheticSettings | None = None,
    progress: Progress | None = None,
) -> Slots:
    """The slots of one part, from the cache or prepared now.

    Arguments and errors are those of `grader.data.load`; `counts` default to an hour for the
    hidden part.
    """
    if name not in MAKERS:
        raise UsageError(
            "There are no long tracks of {name!r}; there are of {makers}.",
            name=name,
            makers=", ".join(MAKERS),
        )
    counts = counts or {"train": TRAIN, "validation": VALIDATION, "hidden": HIDDEN}[part]
    return MAKERS[name](Request(part, source, seed, settings, progress), counts)


def short_tracks(
    slots: Slots, number: int, rng: np.random.Generator, most_keywords: int = 3
) -> tuple[Track, ...]:
    """Tracks of 10 to 20 s with 0 to `most_keywords` keywords each, never two in a row.

    Every number of keywords occurs when there are tracks enough.
    """
    positives, negatives = (np.flatnonzero(slots.labels == label) for label in (1, 0))
    tracks = []
    for index in range(number):
        length = int(rng.integers(10, 20, endpoint=True))
        chosen = rng.choice(negatives, length, replace=False)
        # The first and last slots stay free of keywords: every delay can then be measured.
        keywords = index % (most_keywords + 1)
        places = 1 + 2 * rng.choice((length - 2) // 2, keywords, replace=False)
        chosen[places] = rng.choice(positives, keywords, replace=False)
        tracks.append(Track(tuple(int(slot) for slot in chosen)))
    return tuple(tracks)


def glue(slots: Slots, order: Sequence[int]) -> NDArray[np.float32]:
    """The samples of slots one after another, float32 in -1..1, shape (16000 * len(order),)."""
    return slots.audio[np.asarray(order)].reshape(-1).astype(np.float32) / np.float32(32768)


def keyword_spans(slots: Slots, order: Sequence[int]) -> NDArray[np.int64]:
    """(keywords, 2) samples in the glued stream at which the keyword begins and has ended."""
    slot = np.asarray(order, np.intp)
    (places,) = np.nonzero(slots.labels[slot])
    return places[:, None] * CLIP_SAMPLES + slots.spans[slot[places]].astype(np.int64)


def _spoken(request: Request, counts: SlotCounts) -> Slots:
    """Slots of speech-synthetic."""
    part = request.part
    if part == "hidden" and not request.seed:
        raise needs_seed(synthetic.NAME)
    size = Size(counts.keywords, counts.others)
    settings = replace(request.settings or SyntheticSettings(), **{part: size})
    # Under another name than the clips': the slots repeat no clip.
    entropy = seeds.entropy("tracks", part, request.seed)
    words = settings.size(part).clips
    total = words + counts.background

    def build(folder: Path) -> None:
        _lay_out(folder, total)
        whole = synthetic.SpeechJob("slots", str(folder), part, settings, entropy, 0, total)
        synthetic.speak(whole, SHARD, progress=request.progress, what=PREPARING)
        plans = synthetic.plan(part, settings, entropy, 0, words)
        spoken = [p.word for p in plans] + [""] * counts.background
        facts = _Facts(spoken, [str(i) for i in range(total)])
        _arrange(folder, facts, settings.keyword, np.random.default_rng([entropy, VERSION]))

    key = [VERSION, counts.background, synthetic.cache_key(part, settings, entropy)]
    return _open(synthetic.NAME, part, settings.keyword, key, build, request.progress)


def _recorded(request: Request, counts: SlotCounts) -> Slots:
    """Slots of fsdd."""
    part = request.part
    collection = fsdd.collect(request.source or fsdd.RECORDED.source())
    chosen = collection.of(part)
    repeated = FSDD_ROUNDS * len(chosen)

    def build(folder: Path) -> None:
        slots, spans = _lay_out(folder, repeated + counts.background)
        for index, recording in enumerate(chosen):
            clip = collection.clip(recording)
            heard = np.flatnonzero(clip)
            rows = index + len(chosen) * np.arange(FSDD_ROUNDS)
            slots[rows] = clip
            spans[rows] = (heard[0], heard[-1] + 1) if len(heard) else (0, 0)
        rng = np.random.default_rng([VERSION, len(chosen)])
        for index in range(repeated, len(slots)):
            level = 10 ** (rng.uniform(-80, -45) / 20)
            slots[index] = np.round(rng.standard_normal(CLIP_SAMPLES) * level * 32767)
        facts = _Facts(
            [r.word for r in chosen] * FSDD_ROUNDS + [""] * counts.background,
            [r.path for r in chosen] * FSDD_ROUNDS
            + [f"background {i}" for i in range(counts.background)],
        )
        _arrange(folder, facts, collection.keyword, rng)

    key = [VERSION, collection.cache_key(part), counts.background, FSDD_ROUNDS]
    return _open(fsdd.NAME, part, collection.keyword, key, build, None)


MAKERS: dict[str, Callable[[Request, SlotCounts], Slots]] = {
    synthetic.NAME: _spoken,
    fsdd.NAME: _recorded,
}
"""What makes the slots, by data set; not every data set of speech has them."""


def _lay_out(folder: Path, total: int) -> list[NDArray[np.int16]]:
    """slots.npy and spans.npy, mapped to be filled."""
    return cache.create_arrays(
        folder, slots=(np.int16, (total, CLIP_SAMPLES)), spans=(np.int32, (total, 2))
    )


def _arrange(folder: Path, facts: _Facts, keyword: str, rng: np.random.Generator) -> None:
    """Put the slots into a random order in which no keyword follows another, and write facts.json.

    So each keyword has a second of its own.
    """
    is_keyword = np.array(facts.words) == keyword
    others = rng.permutation(np.flatnonzero(~is_keyword))
    keywords = rng.permutation(np.flatnonzero(is_keyword))
    gaps = np.sort(rng.choice(len(others), len(keywords), replace=False))
    order = np.insert(others, gaps, keywords)
    for name in ("slots.npy", "spans.npy"):
        rows = np.load(folder / name)
        np.save(folder / name, rows[order])
    words, sources = ([values[i] for i in order] for values in (facts.words, facts.sources))
    text = json.dumps({"words": words, "sources": sources})
    (folder / "facts.json").write_text(text, encoding="utf-8")


def _open(
    name: str,
    part: Part,
    keyword: str,
    key: list[object],
    build: Callable[[Path], None],
    progress: Progress | None,
) -> Slots:
    digest = hashlib.sha256(json.dumps([cache.SCHEMA, *key]).encode()).hexdigest()[:20]
    folder = course.cache_root() / "tracks" / f"{name}-{part}-{digest}"
    recipe = cache.Recipe(name, part, keyword, build, _fingerprint)
    manifest = cache.open_or_build(folder, recipe, progress)
    facts = msgspec.json.decode((folder / "facts.json").read_bytes(), type=_Facts)
    return Slots(
        name=name,
        part=part,
        keyword=keyword,
        audio=np.load(folder / "slots.npy", mmap_mode="r", allow_pickle=False),
        path=folder / "slots.npy",
        labels=np.array([word == keyword for word in facts.words], np.uint8),
        spans=np.load(folder / "spans.npy", allow_pickle=False),
        words=facts.words,
        sources=facts.sources,
        fingerprint=manifest.fingerprint,
    )


def _fingerprint(sums: Mapping[str, cache.FileSum]) -> str:
    names = ("slots.npy", "spans.npy", "facts.json")
    return hashlib.sha256(b"".join(bytes.fromhex(sums[name].sha256) for name in names)).hexdigest()
