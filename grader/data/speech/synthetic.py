"""`speech-synthetic`: eSpeak NG says the 30 words of Speech Commands, with noise.

A clip is decided by (entropy, part, index) alone: each has a random generator of its own,
whose draws are made in `plan`. The public parts use a fixed entropy; the hidden part's comes
from the instructor's seed. Speaking happens in shards, each in a fresh process
(`grader.data.speech.espeak_worker`), so the number of processes at work changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import json
import os
import queue
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.data import store
from grader.data.speech.clips import PARTS, WORDS, Part, Progress
from grader.data.speech.noise import NOISES, Noise
from grader.data.speech.settings import ACCENTS, VARIANTS, SyntheticSettings
from grader.text import Text
from grader.text.errors import Fault

NAME = "speech-synthetic"
PUBLIC_SEED = "public"

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

GENERATING = Text(en="synthesising speech", ru="синтез речи")


@dataclass(frozen=True)
class ClipPlan:
    """All that is drawn for one clip."""

    index: int
    word: str
    accent: str
    variant: str
    pitch: int
    inflection: int
    rate: int
    level_dbfs: float
    snr_db: float
    noise: Noise
    place: float
    """Where the word starts, as a share of the time that it leaves free."""


def entropy(part: Part, seed: str | None) -> int:
    """128 bits from a seed; the seed cannot be read back from them."""
    message = f"small-fast-nets/{NAME}/{'hidden' if part == 'hidden' else 'public'}"
    key = seed if part == "hidden" and seed is not None else PUBLIC_SEED
    return int.from_bytes(hmac.digest(key.encode(), message.encode(), "sha256")[:16])


def cache_key(part: Part, settings: SyntheticSettings, seed_entropy: int) -> str:
    """Names the cache entry; a one-way digest, so that neither seed nor entropy is in it."""
    engine = importlib.metadata.version("espeakng-loader")
    depends_on = [settings.for_part(part), VARIANTS[part], ACCENTS, engine, seed_entropy]
    raw = json.dumps(depends_on, sort_keys=True)
    return hashlib.sha256(raw.encode()).hexdigest()[:20]


def is_cached(part: Part, settings: SyntheticSettings, seed: str | None = None) -> bool:
    """True when `build` need not run (the files are checked when they are loaded)."""
    return store.entry(NAME, part, cache_key(part, settings, entropy(part, seed))).is_dir()


def plan(
    part: Part, settings: SyntheticSettings, seed_entropy: int, start: int, stop: int
) -> list[ClipPlan]:
    """What clips `start` to `stop` of a part are made of."""
    number = PARTS.index(part)
    order = np.random.default_rng(np.random.SeedSequence(seed_entropy, spawn_key=(number,)))
    is_keyword = order.permutation(settings.size(part).clips) < settings.size(part).positives
    others = [word for word in WORDS if word != settings.keyword]
    plans = []
    for index in range(start, stop):
        rng = clip_rng(part, seed_entropy, index)
        word = settings.keyword if is_keyword[index] else others[rng.integers(len(others))]
        plans.append(
            ClipPlan(
                index=index,
                word=word,
                accent=ACCENTS[rng.integers(len(ACCENTS))],
                variant=VARIANTS[part][rng.integers(len(VARIANTS[part]))],
                pitch=int(rng.integers(*settings.pitch, endpoint=True)),
                inflection=int(rng.integers(*settings.inflection, endpoint=True)),
                rate=int(rng.integers(*settings.rate_wpm, endpoint=True)),
                level_dbfs=rng.uniform(*settings.level_dbfs),
                snr_db=rng.uniform(*settings.snr_db),
                noise=NOISES[rng.integers(len(NOISES))],
                place=rng.uniform(),
            )
        )
    return plans


def clip_rng(part: Part, seed_entropy: int, index: int, purpose: int = 0) -> np.random.Generator:
    """The generator of one clip; `purpose` 0 draws the plan, 1 the noise."""
    key = (PARTS.index(part), index, purpose)
    return np.random.default_rng(np.random.SeedSequence(seed_entropy, spawn_key=key))


def build(
    folder: Path,
    part: Part,
    settings: SyntheticSettings,
    seed_entropy: int,
    *,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> tuple[list[str], list[str]]:
    """Write features.npy and labels.npy, and audio.npy unless the part is hidden.

    Returns the word and the speaker of each clip. Raises Fault when a process dies.
    """
    clips = settings.size(part).clips
    store.create(folder, clips, audio=part != "hidden")
    orders = [
        {
            "folder": str(folder),
            "part": part,
            "settings": asdict(settings),
            "entropy": seed_entropy,
            "start": start,
            "stop": min(start + settings.shard, clips),
        }
        for start in range(0, clips, settings.shard)
    ]
    _run(orders, clips, progress, jobs or os.cpu_count() or 1)
    plans = plan(part, settings, seed_entropy, 0, clips)
    labels: NDArray[np.uint8] = np.array([p.word == settings.keyword for p in plans], np.uint8)
    np.save(folder / "labels.npy", labels, allow_pickle=False)
    return [p.word for p in plans], [p.variant for p in plans]


def _run(orders: list[dict[str, object]], clips: int, progress: Progress | None, jobs: int) -> None:
    """Run every order in a process of its own, `jobs` at a time."""
    finished: queue.SimpleQueue[int] = queue.SimpleQueue()
    running: set[subprocess.Popen[str]] = set()
    done = 0
    with ThreadPoolExecutor(min(jobs, len(orders))) as pool:
        futures = [pool.submit(_run_one, order, finished, running) for order in orders]
        try:
            while done < clips:
                try:
                    done += finished.get(timeout=0.1)
                except queue.Empty:
                    for future in futures:
                        if future.done():
                            future.result()  # raises what went wrong
                    continue
                if progress:
                    progress(done, clips, GENERATING)
        finally:
            if done < clips:  # failed or interrupted: what still runs is of no use
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(running):
                    process.kill()
    for future in futures:
        future.result()


def _run_one(
    order: dict[str, object],
    finished: queue.SimpleQueue[int],
    running: set[subprocess.Popen[str]],
) -> None:
    # -P: a file called numpy.py in the student's folder must not be imported.
    command = [sys.executable, "-P", "-m", "grader.data.speech.espeak_worker"]
    with (
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env=os.environ | _ONE_THREAD,
        ) as process,
    ):
        running.add(process)
        assert process.stdin is not None
        assert process.stdout is not None
        # On standard input, so that the entropy of the hidden part is in no process list.
        with suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(json.dumps(order))
        for line in process.stdout:
            finished.put(int(line))
        status = process.wait()
        running.discard(process)
        if status != 0:
            stderr.seek(0)
            said = stderr.read().decode(errors="replace").strip().splitlines()
            last = said[-1] if said else f"exit status {status}"
            raise Fault(
                Text(
                    en=f"Synthesising speech failed: {last}",
                    ru=f"Синтез речи не удался: {last}",
                )
            )
