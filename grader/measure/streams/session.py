"""A session with a streaming model: chunk sizes, resets, memory of the past, a long stream.

`run_session` runs one model through everything that a lesson measures on a stream and returns
numbers. It judges nothing; only an answer that is not a number ends the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from grader.lesson.spec import RunLimits
from grader.measure.streams.detections import SAMPLE_RATE
from grader.measure.streams.stream_model import HOP
from grader.sandbox.runners.stream import Heard, Listener, StreamJob
from grader.text import Text
from grader.text.errors import Rejected

PAIRS = 6
"""Pairs of recordings that differ in what came first and agree in what comes last."""
PAST_SECONDS, COMMON_SECONDS = 4, 10
FRESH_SECONDS = 60
"""Seconds that a fresh stream hears before it is compared with one that heard the whole stream."""
BLOCK_SECONDS = 60
"""Seconds of the long stream that are converted to float32 at once."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Script:
    """The sound for a session: float32 in -1..1 at 16 kHz."""

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
class StreamSession:
    """Results of one session; differences are between probabilities."""

    chunking: float
    """Largest difference between chunk sizes."""
    reset: float
    """Largest difference between a fresh model and one that was reset."""
    clips: NDArray[np.float64]
    """(clips,) probability after each clip."""
    carried: float
    """Largest difference made by audio that is older than a window (1.5 to 2.5 s)."""
    remembered: float
    """Largest difference made by audio that is 8 to 10 s old."""
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
    """Bytes of state: at the start of the long stream, after its fine part and at its end."""
    log: str = ""


def run_session(job: StreamJob, script: Script, longest: int, limits: RunLimits) -> StreamSession:
    """Run the model; small chunks have 1 to `longest` hops, drawn from the script's seed. Raises
    Stopped when it does not end well, Rejected when an answer is NaN or infinite."""
    with Listener(job, limits) as listener:
        run = _Run(listener, script, longest)
        first = run.fresh(script.tracks[0], repeat(HOP))
        chunking = run.chunking()
        # Right before the reset, the sound that a model would remember best.
        listener.hear(script.keywords[:PAST_SECONDS].reshape(-1), repeat(SAMPLE_RATE))
        again = run.fresh(script.tracks[0], repeat(HOP))
        clips = [run.fresh(clip, [SAMPLE_RATE]).probabilities[-1] for clip in script.clips]
        carried, remembered = run.memory()
        fine, at_seconds, states, drift = run.long_stream()
        listener.finish()
        log = listener.log
    return StreamSession(
        chunking=chunking,
        reset=largest_difference(first, again),
        clips=np.array(clips),
        carried=carried,
        remembered=remembered,
        drift=drift,
        lowest=run.lowest,
        highest=run.highest,
        fine=fine,
        at_seconds=at_seconds,
        state_bytes=tuple(states),
        log=log,
    )


def listen(job: StreamJob, sound: Samples, chunk: int, limits: RunLimits) -> Heard:
    """One recording after a reset, in chunks of `chunk` samples. Raises as `run_session` does."""
    with Listener(job, limits) as listener:
        listener.reset()
        heard = listener.hear(sound, repeat(chunk))
        _require_finite(heard)
        listener.finish()
    return heard


def largest_difference(fine: Heard, coarse: Heard) -> float:
    """Largest difference of the probabilities of one recording in different chunks, at the ends
    that both have. Raises ValueError without such an end; infinite for NaN."""
    _, a, b = np.intersect1d(fine.ends, coarse.ends, return_indices=True)
    if not len(a):
        raise ValueError("the two runs have no moment in common")
    difference = np.abs(fine.probabilities[a] - coarse.probabilities[b])
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def irregular(total: int, step: int, longest: int, rng: np.random.Generator) -> list[int]:
    """Chunk sizes that add up to `total` samples: multiples of `step` up to `longest`, uniform on a
    logarithmic scale."""
    sizes: list[int] = []
    left = total
    while left > 0:
        steps = int(np.exp(rng.uniform(0.0, np.log(longest / step + 0.999))))
        sizes.append(min(max(steps, 1) * step, left))
        left -= sizes[-1]
    return sizes


def drawn_chunks(seconds: int, longest: int, rng: np.random.Generator) -> list[int]:
    """Chunk sizes that end at every full second: 1 to `longest` hops each, equally often, the last
    of a second what is left of it."""
    sizes = []
    for _ in range(seconds):
        left = SAMPLE_RATE // HOP
        while left:
            hops = min(int(rng.integers(1, longest + 1)), left)
            sizes.append(hops * HOP)
            left -= hops
    return sizes


def first_bad(heard: Heard) -> int | None:
    """Index of the first chunk whose answer or state is not finite; None when all are."""
    bad = ~(np.isfinite(heard.probabilities) & heard.finite)
    return int(np.argmax(bad)) if bad.any() else None


class _Run:
    """One model and one script, with the range of all answers so far."""

    def __init__(self, listener: Listener, script: Script, longest: int) -> None:
        self.listener, self.script, self.longest = listener, script, longest
        self.lowest, self.highest = np.inf, -np.inf

    def fresh(self, sound: Samples, sizes: Iterable[int]) -> Heard:
        """Answers to `sound` after a reset."""
        self.listener.reset()
        return self.checked(self.listener.hear(sound, sizes))

    def checked(self, heard: Heard, before: int = 0) -> Heard:
        """`heard`, with its answers in the range; Rejected when one is not a number. `before` is
        the number of samples that came earlier."""
        _require_finite(heard, before)
        if len(heard.ends):
            self.lowest = min(self.lowest, float(heard.probabilities.min()))
            self.highest = max(self.highest, float(heard.probabilities.max()))
        return heard

    def chunking(self) -> float:
        """Largest difference between the tracks in hops and in larger or irregular chunks."""
        rng = np.random.default_rng(self.script.seed)
        worst = 0.0
        for track in self.script.tracks:
            ways = [
                repeat(HOP),
                repeat(SAMPLE_RATE),
                irregular(len(track), HOP, SAMPLE_RATE, rng),
                irregular(len(track), HOP, 20 * HOP, rng),
            ]
            hops, *others = [self.fresh(track, sizes) for sizes in ways]
            worst = max(worst, *(largest_difference(hops, other) for other in others))
        return worst

    def memory(self) -> tuple[float, float]:
        """How much pasts with and without keywords change the answers that follow, 1.5 to 2.5 s and
        8 to 10 s later."""
        script, rng = self.script, np.random.default_rng(self.script.seed + 1)
        carried = remembered = 0.0
        for _ in range(PAIRS):
            common = script.others[rng.choice(len(script.others), COMMON_SECONDS, replace=False)]
            pasts = [
                source[rng.choice(len(source), PAST_SECONDS, replace=False)]
                for source in (script.keywords, script.others)
            ]
            sizes = drawn_chunks(PAST_SECONDS + COMMON_SECONDS, self.longest, rng)
            one, other = (
                self.fresh(np.concatenate([past, common]).reshape(-1), sizes) for past in pasts
            )
            since = one.ends / SAMPLE_RATE - PAST_SECONDS
            difference = np.abs(one.probabilities - other.probabilities)
            carried = max(carried, float(difference[(since > 1.5) & (since <= 2.5)].max()))
            remembered = max(remembered, float(difference[since > COMMON_SECONDS - 2].max()))
        return carried, remembered

    def long_stream(self) -> tuple[Heard, NDArray[np.float64], list[int], float]:
        """The fine part, (seconds,) probabilities at full seconds, bytes of state at three moments,
        and the drift."""
        total = len(self.script.stream)
        fine_seconds = min(self.script.fine_seconds, total)
        rng = np.random.default_rng(self.script.seed + 2)
        small = [drawn_chunks(1, self.longest, rng) for _ in range(fine_seconds)]
        whole = [[SAMPLE_RATE]] * (total - 1)
        at_the_end = [drawn_chunks(1, self.longest, rng)]
        self.listener.reset()
        parts = [self.seconds(0, small[:1])]
        states = [self.listener.held()[0]]
        fine = _joined([*parts, self.seconds(1, small[1:], SAMPLE_RATE)])
        states.append(self.listener.held()[0])
        rest = self.seconds(fine_seconds, whole[fine_seconds:], fine_seconds * SAMPLE_RATE)
        last = self.seconds(total - 1, at_the_end, (total - 1) * SAMPLE_RATE)
        states.append(self.listener.held()[0])
        self.listener.reset()
        begin = max(total - FRESH_SECONDS, 0)
        fresh = self.seconds(begin, whole[begin:])
        fresh_last = self.seconds(total - 1, at_the_end)
        # Chunks of the fine part end at every full second.
        at_fine = np.isin(fine.ends, SAMPLE_RATE * np.arange(1, fine_seconds + 1))
        at_seconds = np.concatenate(
            [fine.probabilities[at_fine], rest.probabilities, last.probabilities[-1:]]
        )
        compared = min(20, total - 1)
        drift = max(
            float(np.abs(at_seconds[-1 - compared : -1] - fresh.probabilities[-compared:]).max()),
            float(np.abs(last.probabilities - fresh_last.probabilities).max()),
        )
        return fine, at_seconds, states, drift

    def seconds(self, start: int, sizes: Sequence[list[int]], before: int = 0) -> Heard:
        """Seconds of the long stream from `start`, each in chunks of its `sizes` in samples."""
        parts = []
        for first in range(0, len(sizes), BLOCK_SECONDS):
            chunks = sizes[first : first + BLOCK_SECONDS]
            block = self.script.stream[start + first : start + first + len(chunks)]
            sound = block.reshape(-1).astype(np.float32) / np.float32(32768)
            parts.append(self.listener.hear(sound, chain.from_iterable(chunks)))
        return self.checked(_joined(parts), before)


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


def _require_finite(heard: Heard, before: int = 0) -> None:
    bad = first_bad(heard)
    if bad is None:
        return
    seconds = (before + int(heard.ends[bad])) / SAMPLE_RATE
    after = Text("{n:.2f} s", n=seconds) if seconds < 60 else Text("{n:.1f} min", n=seconds / 60)
    raise Rejected(
        "Expected a number between 0 and 1, found NaN or infinity after {after} of sound; look for "
        "a running sum that overflows, a division by zero or the logarithm of silence.",
        after=after,
    )
