"""Long recordings for detectors that listen without end: slots of one second, glued.

A slot is one word with noise around it, or noise alone, and it is known at which samples the
word is spoken. Glued one after another they are a stream without end; `short_tracks` draws
tracks of 10 to 20 s with 0 to 3 keywords from them.

`speech-synthetic` speaks its slots anew, from the same voices as its clips; the hidden ones come
from the instructor's seed. `fsdd` takes its recordings, several times in different order.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.data import prepared, store
from grader.data.speech import fsdd, recordings, synthetic
from grader.data.speech.clips import CLIP_SAMPLES, PARTS, Part, Progress
from grader.data.speech.settings import Size, SyntheticSettings
from grader.text import Text
from grader.text.errors import DataError, Fault, UsageError

NAMES = (synthetic.NAME, fsdd.NAME)
VERSION = 2
"""Raise it when the code changes what comes out."""
SHARD = 1_000
FSDD_ROUNDS = 3
"""How often each recording of fsdd is heard, each time between other neighbours."""
PREPARING = Text(en="preparing long tracks", ru="подготовка длинных дорожек")


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
    if name not in NAMES:
        raise UsageError(
            Text(
                en=f"There are no long tracks of {name!r}; there are of {', '.join(NAMES)}.",
                ru=f"Длинных дорожек из {name!r} нет; есть из {', '.join(NAMES)}.",
            )
        )
    counts = counts or {"train": TRAIN, "validation": VALIDATION, "hidden": HIDDEN}[part]
    if name == fsdd.NAME:
        return _recorded(part, source, counts)
    if part == "hidden" and not seed:
        raise UsageError(
            Text(
                en=f"The hidden part of {name} needs the instructor's seed, and none is given.",
                ru=f"Скрытая часть {name} строится из секретного зерна преподавателя, а оно не "
                "задано.",
            )
        )
    return _spoken(part, seed, counts, settings or SyntheticSettings(), progress)


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
    found = [
        place * CLIP_SAMPLES + slots.spans[slot].astype(np.int64)
        for place, slot in enumerate(order)
        if slots.labels[slot]
    ]
    return np.array(found, np.int64).reshape(-1, 2)


# speech-synthetic ---------------------------------------------------------------------------


def _spoken(
    part: Part,
    seed: str | None,
    counts: SlotCounts,
    settings: SyntheticSettings,
    progress: Progress | None,
) -> Slots:
    sizes = {name: settings.size(name) for name in PARTS}
    sizes[part] = Size(counts.keywords, counts.others)
    settings = replace(
        settings,
        train=sizes["train"],
        validation=sizes["validation"],
        hidden=sizes["hidden"],
    )
    entropy = _entropy(part, seed)
    engine = importlib.metadata.version("espeakng-loader")
    key = [
        VERSION,
        counts.background,
        settings.for_part(part),
        synthetic.cache_key(part, settings, entropy),
        engine,
    ]
    words = settings.size(part).clips

    def build(folder: Path) -> tuple[list[str], list[str]]:
        total = words + counts.background
        _lay_out(folder, total)
        orders = [
            {
                "folder": str(folder),
                "part": part,
                "settings": asdict(settings),
                "entropy": entropy,
                "start": start,
                "stop": min(start + SHARD, total),
            }
            for start in range(0, total, SHARD)
        ]
        for done, order in enumerate(orders):
            if progress:
                progress(done, len(orders), PREPARING)
            _run_worker(order)
        plans = synthetic.plan(part, settings, entropy, 0, words)
        spoken = [p.word for p in plans] + [""] * counts.background
        rng = np.random.default_rng([entropy, VERSION])
        order_of_slots = _stream_order(np.array(spoken) == settings.keyword, rng)
        return _arranged(folder, order_of_slots, spoken, [str(i) for i in range(total)])

    return _open(synthetic.NAME, part, settings.keyword, key, build, progress)


def _entropy(part: Part, seed: str | None) -> int:
    """As for the clips, from another message: the slots repeat no clip."""
    message = f"small-fast-nets/tracks/{'hidden' if part == 'hidden' else 'public'}"
    key = seed if part == "hidden" and seed is not None else synthetic.PUBLIC_SEED
    return int.from_bytes(hmac.digest(key.encode(), message.encode(), "sha256")[:16])


def _run_worker(order: dict[str, object]) -> None:
    # On standard input, so that the entropy of the hidden part is in no process list.
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "grader.data.speech.tracks_worker"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    )
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise Fault(
            Text(en=f"Synthesising speech failed: {last}", ru=f"Синтез речи не удался: {last}")
        )


# fsdd ---------------------------------------------------------------------------------------


def _recorded(part: Part, source: Path | None, counts: SlotCounts) -> Slots:
    place = source or prepared.source_of(fsdd.NAME)
    collection = fsdd.collect(place)
    chosen = collection.of(part)
    key = [VERSION, recordings.cache_key(collection, part), counts.background, FSDD_ROUNDS]

    def build(folder: Path) -> tuple[list[str], list[str]]:
        total = FSDD_ROUNDS * len(chosen) + counts.background
        slots, spans = _lay_out(folder, total)
        for index, recording in enumerate(chosen):
            path = collection.folder / recording.path
            try:
                clip = collection.fit(
                    recordings.read_wav(path, collection.sample_rate), recording.path
                )
            except (ValueError, OSError) as error:
                raise DataError(
                    Text(
                        en=f"{path} is damaged: {error}. {fsdd.REMEDY.en}",
                        ru=f"Файл {path} повреждён: {error}. {fsdd.REMEDY.ru}",
                    )
                ) from error
            heard = np.flatnonzero(clip)
            rows = index + len(chosen) * np.arange(FSDD_ROUNDS)
            slots[rows] = clip
            spans[rows] = (heard[0], heard[-1] + 1) if len(heard) else (0, 0)
        rng = np.random.default_rng([VERSION, len(chosen)])
        for index in range(FSDD_ROUNDS * len(chosen), total):
            level = 10 ** (rng.uniform(-80, -45) / 20)
            slots[index] = np.round(rng.standard_normal(CLIP_SAMPLES) * level * 32767)
        words = [r.word for r in chosen] * FSDD_ROUNDS + [""] * counts.background
        paths = [r.path for r in chosen] * FSDD_ROUNDS
        paths += [f"background {i}" for i in range(counts.background)]
        order_of_slots = _stream_order(np.array(words) == collection.keyword, rng)
        return _arranged(folder, order_of_slots, words, paths)

    return _open(fsdd.NAME, part, collection.keyword, key, build, None)


# The cache ----------------------------------------------------------------------------------


def _lay_out(folder: Path, total: int) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    store.require_space(folder, 4 * total * CLIP_SAMPLES)
    slots = np.lib.format.open_memmap(folder / "slots.npy", "w+", np.int16, (total, CLIP_SAMPLES))
    spans = np.lib.format.open_memmap(folder / "spans.npy", "w+", np.int32, (total, 2))
    return slots, spans


def _stream_order(keyword: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order in which no keyword follows another: each has a second of its own."""
    others = rng.permutation(np.flatnonzero(~keyword))
    keywords = rng.permutation(np.flatnonzero(keyword))
    gaps = np.sort(rng.choice(len(others), len(keywords), replace=False))
    return np.insert(others, gaps, keywords)


def _arranged(
    folder: Path, order: NDArray[np.int64], words: list[str], sources: list[str]
) -> tuple[list[str], list[str]]:
    """Put the slots into the order of the stream."""
    for name in ("slots.npy", "spans.npy"):
        rows = np.load(folder / name)
        np.save(folder / name, rows[order])
    return [words[i] for i in order], [sources[i] for i in order]


def _open(
    name: str,
    part: Part,
    keyword: str,
    key: list[object],
    build: Callable[[Path], tuple[list[str], list[str]]],
    progress: Progress | None,
) -> Slots:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]
    folder = store.cache_root() / "tracks" / f"{name}-{part}-{digest}"
    with store.locked(folder, progress):
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            _write(folder, build)
    slots = np.load(folder / "slots.npy", mmap_mode="r", allow_pickle=False)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return Slots(
        name=name,
        part=part,
        keyword=keyword,
        audio=slots,
        path=folder / "slots.npy",
        labels=np.array([word == keyword for word in facts["words"]], np.uint8),
        spans=np.load(folder / "spans.npy", allow_pickle=False),
        words=facts["words"],
        sources=facts["sources"],
        fingerprint=_sum(folder),
    )


def _write(folder: Path, build: Callable[[Path], tuple[list[str], list[str]]]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        inner = Path(temporary) / "slots"
        inner.mkdir(mode=0o700)
        words, sources = build(inner)
        facts = json.dumps({"words": words, "sources": sources})
        (inner / "facts.json").write_text(facts, encoding="utf-8")
        (inner / "sum").write_text(_sum(inner), encoding="utf-8")
        inner.rename(folder)


def _is_whole(folder: Path) -> bool:
    """Whether every file is there and is what was written."""
    try:
        return (folder / "sum").read_text(encoding="utf-8") == _sum(folder)
    except OSError:
        return False


def _sum(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("slots.npy", "spans.npy", "facts.json"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
