"""Listen to a streaming model do its work: chunkings, resets, memories, an hour.

`audition` runs one model through everything that a lesson wants to know about a stream and
returns numbers. Nothing is judged here but what ends a run: an answer that is not a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grader.lesson.spec import RunLimits
from grader.measure.streams import streaming
from grader.measure.streams.streaming import SAMPLE_RATE
from grader.sandbox.runners.stream import Heard, Listener, StreamJob
from grader.text import Text
from grader.text.errors import Rejected

HOP = 160
PAIRS = 6
"""Pairs of recordings that differ in what came first and agree in what comes last."""
PAST_SECONDS, COMMON_SECONDS = 4, 10
FRESH_SECONDS = 60
"""How long a fresh stream listens before it is compared with one that heard it all."""
COUNTED_SECONDS = 2

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Script:
    """What a model will hear. Sound is float32 in -1..1 at 16 kHz."""

    tracks: Sequence[Samples]
    """Recordings of 10 to 20 s."""
    clips: Samples
    """(clips, 16000): each is heard alone, after a reset."""
    keywords: Samples
    """(n, 16000) seconds with the keyword, for pasts that should be forgotten."""
    others: Samples
    """(n, 16000) seconds without it."""
    stream: NDArray[np.int16]
    """(seconds, 16000) the long stream; mapped from a file."""
    fine_seconds: int
    """Seconds of the long stream that come in small chunks, the rest in whole seconds."""
    seed: int


@dataclass(frozen=True)
class Audition:
    """What it answered."""

    chunking: float
    """Largest difference of a probability between chunk sizes."""
    reset: float
    """Largest difference between a fresh model and one that was reset."""
    clips: NDArray[np.float64]
    """(clips,) probability after each clip."""
    carried: float
    """Largest difference that audio makes which is older than a window (1.5 to 2.5 s)."""
    remembered: float
    """Largest difference that audio makes which is 8 to 10 s old."""
    drift: float
    """Largest difference between the stream at its end and a fresh one after the last minute."""
    lowest: float
    highest: float
    """Range of all probabilities."""
    fine: Heard = field(repr=False)
    """The fine part of the long stream."""
    at_seconds: NDArray[np.float64] = field(repr=False)
    """(seconds,) probability at the end of every second of the long stream."""
    state_bytes: tuple[int, ...]
    """Bytes kept: at the start of the long stream, after its fine part and at its end."""
    state: int
    """Bytes kept that depend on what was heard."""
    log: str = ""


def count(
    job: StreamJob, sound: Samples, hops: Sequence[int], limits: RunLimits
) -> dict[int, float]:
    """Multiplications for a second, by chunk size in samples, counted as the model runs.

    A model that branches may do more later or at louder sound: at the cheapest size all of
    `sound` is counted.
    """
    found = {}
    with Listener(job, limits) as listener:
        for hop in hops:
            listener.reset()
            # Whole chunks only, after a start in which less may happen than later.
            size = hop * HOP
            heard = size * (COUNTED_SECONDS * SAMPLE_RATE // size)
            listener.hear(sound[:SAMPLE_RATE], [SAMPLE_RATE])
            found[size] = listener.count(sound[:heard], size) * SAMPLE_RATE / heard
        best = min(found, key=lambda size: (found[size], size))
        listener.reset()
        whole = listener.count(sound, best) * SAMPLE_RATE / len(sound)
        found[best] = max(found[best], whole)
        listener.finish()
    return found


def audition(job: StreamJob, script: Script, chunk: int, limits: RunLimits) -> Audition:
    """Run the model; `chunk` is the size in samples of small chunks. Raises Stopped when it does
    not end well, Rejected when an answer is NaN or infinite."""
    ears = _Ears()
    with Listener(job, limits) as listener:
        listener.reset()
        first = ears.take(listener.hear(script.tracks[0], _every(HOP)))
        chunking = _chunkings(listener, script, ears)
        # Right before the reset, what would be remembered best.
        listener.hear(script.keywords[:PAST_SECONDS].reshape(-1), _every(SAMPLE_RATE))
        listener.reset()
        again = ears.take(listener.hear(script.tracks[0], _every(HOP)))
        clips = []
        for clip in script.clips:
            listener.reset()
            clips.append(ears.take(listener.hear(clip, [SAMPLE_RATE])).probabilities[-1])
        carried, remembered = _memories(listener, script, chunk, ears)
        hour = _hour(listener, script, chunk, ears)
        listener.finish()
        log = listener.log
    return Audition(
        chunking=chunking,
        reset=streaming.largest_difference(_answers(first), _answers(again)),
        clips=np.array(clips),
        carried=carried,
        remembered=remembered,
        drift=hour.drift,
        lowest=ears.lowest,
        highest=ears.highest,
        fine=hour.fine,
        at_seconds=hour.at_seconds,
        state_bytes=hour.state_bytes,
        state=hour.state,
        log=log,
    )


def listen(job: StreamJob, sound: Samples, chunk: int, limits: RunLimits) -> Heard:
    """One recording from a reset on, in chunks of `chunk` samples. Raises as `audition` does."""
    with Listener(job, limits) as listener:
        listener.reset()
        heard = _Ears().take(listener.hear(sound, _every(chunk)))
        listener.finish()
    return heard


class _Ears:
    """Keeps the range of what was answered and refuses what is no number."""

    def __init__(self) -> None:
        self.lowest, self.highest = np.inf, -np.inf

    def take(self, heard: Heard, before: int = 0) -> Heard:
        if not len(heard.ends):
            return heard
        bad = streaming.first_bad(heard.probabilities, heard.finite)
        if bad is not None:
            raise Rejected(_not_finite((before + int(heard.ends[bad])) / SAMPLE_RATE))
        self.lowest = min(self.lowest, float(heard.probabilities.min()))
        self.highest = max(self.highest, float(heard.probabilities.max()))
        return heard


@dataclass(frozen=True)
class _Hour:
    fine: Heard
    at_seconds: NDArray[np.float64]
    state_bytes: tuple[int, ...]
    state: int
    drift: float


def _every(size: int) -> Iterator[int]:
    while True:
        yield size


def _answers(heard: Heard) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return heard.ends, heard.probabilities


def _chunkings(listener: Listener, script: Script, ears: _Ears) -> float:
    rng = np.random.default_rng(script.seed)
    worst = 0.0
    for track in script.tracks:
        ways = [
            _every(HOP),
            _every(SAMPLE_RATE),
            streaming.irregular(len(track), HOP, SAMPLE_RATE, rng),
            streaming.irregular(len(track), HOP, 20 * HOP, rng),
        ]
        runs = []
        for sizes in ways:
            listener.reset()
            runs.append(_answers(ears.take(listener.hear(track, sizes))))
        worst = max(worst, *(streaming.largest_difference(runs[0], run) for run in runs[1:]))
    return worst


def _memories(listener: Listener, script: Script, chunk: int, ears: _Ears) -> tuple[float, float]:
    """How much pasts with and without keywords change what follows."""
    rng = np.random.default_rng(script.seed + 1)
    carried = remembered = 0.0
    for _ in range(PAIRS):
        common = script.others[rng.choice(len(script.others), COMMON_SECONDS, replace=False)]
        pasts = [
            source[rng.choice(len(source), PAST_SECONDS, replace=False)]
            for source in (script.keywords, script.others)
        ]
        runs = []
        for past in pasts:
            listener.reset()
            sound = np.concatenate([past, common]).reshape(-1)
            sizes = streaming.seconds_in_chunks(PAST_SECONDS + COMMON_SECONDS, chunk)
            runs.append(ears.take(listener.hear(sound, sizes)))
        since = runs[0].ends / SAMPLE_RATE - PAST_SECONDS
        difference = np.abs(runs[0].probabilities - runs[1].probabilities)
        carried = max(carried, float(difference[(since > 1.5) & (since <= 2.5)].max()))
        remembered = max(remembered, float(difference[since > COMMON_SECONDS - 2].max()))
    return carried, remembered


def _hour(listener: Listener, script: Script, chunk: int, ears: _Ears) -> _Hour:
    total, fine_seconds = len(script.stream), min(script.fine_seconds, len(script.stream))
    listener.reset()
    parts = [ears.take(_hear_seconds(listener, script, 0, 1, chunk))]
    held = [listener.held()]
    parts.append(ears.take(_hear_seconds(listener, script, 1, fine_seconds, chunk), SAMPLE_RATE))
    fine = _joined(parts)
    held.append(listener.held())
    rest = ears.take(
        _hear_seconds(listener, script, fine_seconds, total - 1, SAMPLE_RATE),
        fine_seconds * SAMPLE_RATE,
    )
    last = ears.take(
        _hear_seconds(listener, script, total - 1, total, chunk), (total - 1) * SAMPLE_RATE
    )
    held.append(listener.held())
    listener.reset()
    start = max(total - FRESH_SECONDS, 0)
    fresh = ears.take(_hear_seconds(listener, script, start, total - 1, SAMPLE_RATE))
    fresh_last = ears.take(_hear_seconds(listener, script, total - 1, total, chunk))
    ends = np.arange(1, fine_seconds + 1) * SAMPLE_RATE
    at_seconds = np.concatenate(
        [
            streaming.at(fine.ends, fine.probabilities, list(ends)),
            rest.probabilities,
            last.probabilities[-1:],
        ]
    )
    compared = min(20, total - 1)
    drift = max(
        float(np.abs(at_seconds[-1 - compared : -1] - fresh.probabilities[-compared:]).max()),
        float(np.abs(last.probabilities - fresh_last.probabilities).max()),
    )
    return _Hour(fine, at_seconds, tuple(kept for kept, _ in held), held[-1][1], drift)


def _hear_seconds(listener: Listener, script: Script, start: int, stop: int, chunk: int) -> Heard:
    """Seconds `start` to `stop` of the long stream, a block at a time."""
    parts = []
    for first in range(start, stop, 60):
        block = script.stream[first : min(first + 60, stop)]
        sound = block.reshape(-1).astype(np.float32) / np.float32(32768)
        sizes = streaming.seconds_in_chunks(len(block), chunk)
        parts.append(listener.hear(sound, sizes))
    return _joined(parts)


def _joined(parts: Sequence[Heard]) -> Heard:
    if not parts:
        empty = np.zeros(0)
        none = np.zeros(0, np.int64)
        return Heard(empty, none, empty, empty.astype(bool), none)
    offsets = np.cumsum([0, *(int(part.ends[-1]) for part in parts[:-1])])
    return Heard(
        probabilities=np.concatenate([part.probabilities for part in parts]),
        ends=np.concatenate([p.ends + o for p, o in zip(parts, offsets, strict=True)]),
        seconds=np.concatenate([part.seconds for part in parts]),
        finite=np.concatenate([part.finite for part in parts]),
        state_bytes=np.concatenate([part.state_bytes for part in parts]),
    )


def _not_finite(seconds: float) -> Text:
    after = f"{seconds:.2f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
    ru = f"{seconds:.2f} с" if seconds < 60 else f"{seconds / 60:.1f} мин"
    return Text(
        en=f"Expected a number between 0 and 1, found NaN or infinity after {after} of sound; look "
        "for a running sum that overflows, a division by zero or the logarithm of silence.",
        ru=f"Ожидалось число от 0 до 1, но через {ru} звука получены NaN или бесконечность; ищите "
        "переполнение накопленной суммы, деление на ноль или логарифм тишины.",
    )
