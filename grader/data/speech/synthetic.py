"""`speech-synthetic`: eSpeak NG says the 30 words of Speech Commands, with noise.

A clip is decided by (entropy, part, index) alone: each has a random generator of its own,
whose draws are made in `plan`. The public parts use a fixed entropy; the hidden part's comes
from the instructor's seed. Speech is synthesized in shards, each in a fresh process
(`grader.data.speech.espeak_worker`), so the number of processes at work changes nothing.

A speaker is one of eSpeak NG's voice variants (formants, pitch, breath, ...): that is what makes
one eSpeak speaker sound unlike another, while an accent changes how the words are pronounced. The
parts share no variant, and every variant speaks all accents.

The 105 variants of eSpeak NG 1.52 were compared pairwise: mean absolute difference of
level-normalized log-mels over four words, in natural-log units (median over all pairs 2.1).
tests/data/test_voices.py repeats the comparison.

- `fast` changes only the speed of the default voice: not a voice of its own, left out.
- `Gene2, benjamin, edward2, klatt5, klatt6, steph2, steph3` lie within 0.3 of `Gene, adam,
  adam, klatt4, adam, steph, steph`, which stay: left out.
- What is left lies at least 0.9 from every voice of another part. Close relatives (the
  `robosoft` and `iven` families, the two whispers, ...) are together in train.
- All of them can be understood: the seminar's baseline, trained on the train voices, tells the
  keyword from the other words of every single voice with an AUC above 0.98. Validation and hidden
  have about the same shares of harder and easier ones, so that the AU-FA-FR of validation is a
  fair guide.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import queue
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data import cache, seeds
from grader.data.dataset import PARTS, PUBLIC_PARTS, Dataset, Part, Progress, Request
from grader.data.speech import clips, features
from grader.data.speech.clips import ClipSet
from grader.data.speech.noise import NOISES, Noise
from grader.text import Text
from grader.text.errors import Fault, UsageError

NAME = "speech-synthetic"
GENERATING = Text("synthesizing speech")

WORDS = (
    *("bed", "bird", "cat", "dog", "down", "eight", "five", "four", "go", "happy", "house"),
    *("left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six"),
    *("stop", "three", "tree", "two", "up", "wow", "yes", "zero"),
)
"""The 30 words of Speech Commands v0.01."""

ACCENTS = (
    *("en", "en-us", "en-029", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan"),
    *("en-gb-x-gbcwmd", "en-us-nyc"),
)
"""`en-gb` has no file of its own (it is `en`) and fails with a variant; `en-shaw` is `en`
in another alphabet."""

VARIANTS: dict[Part, tuple[str, ...]] = {
    "train": (
        *("Alex", "Andy", "AnxiousAndy", "Demonic", "Denis", "Diogo", "Henrique", "Hugo"),
        *("Mario", "Michael", "Mike", "Mr serious", "Nguyen", "Reed", "RicishayMax"),
        *("RicishayMax2", "RicishayMax3", "Tweaky", "UniRobot", "adam", "anika", "anikaRobot"),
        *("croak", "edward", "grandpa", "gustave", "ian", "iven", "iven2", "iven3", "iven4"),
        *("john", "klatt", "klatt2", "klatt3", "klatt4", "m1", "m3", "m4", "m5", "m6", "m7"),
        *("marcelo", "max", "michel", "miguel", "mike2", "paul", "robosoft", "robosoft2"),
        *("robosoft3", "robosoft4", "robosoft5", "robosoft6", "robosoft7", "robosoft8"),
        *("steph", "victor", "whisper", "whisperf"),
    ),
    "validation": (
        *("Alicia", "Annie", "Lee", "Marco", "belinda", "f1", "f2", "f5", "m8", "pedro"),
        *("shelby", "travis"),
    ),
    "hidden": (
        *("Andrea", "Gene", "Jacky", "Storm", "announcer", "antonio", "aunty", "boris"),
        *("caleb", "david", "ed", "f3", "f4", "grandma", "kaukovalta", "linda", "m2"),
        *("norbert", "pablo", "quincy", "rob", "robert", "sandro", "zac"),
    ),
}

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Size:
    """How many clips with the keyword and how many without."""

    positives: int
    negatives: int

    @property
    def clips(self) -> int:
        return self.positives + self.negatives


@dataclass(frozen=True)
class SyntheticSettings:
    """A lesson may change these; each combination has a cache entry of its own."""

    train: Size = Size(2_500, 9_500)
    validation: Size = Size(1_500, 4_500)
    hidden: Size = Size(4_000, 12_000)
    """With 200 positives the interval of AU-FA-FR is as wide as the value; see docs/data.md."""

    keyword: str = "sheila"
    snr_db: tuple[float, float] = (5.0, 35.0)
    """Signal-to-noise ratio, uniform in decibels: low enough that the seminar's baseline makes
    errors (AU-FA-FR around 3e-5), high enough that a much smaller student can match it."""
    level_dbfs: tuple[float, float] = (-35.0, -15.0)
    """RMS of the word, uniform in decibels below full scale."""
    pitch: tuple[int, int] = (25, 75)
    inflection: tuple[int, int] = (30, 70)
    """Both on eSpeak's scale, 50 is the voice's own."""
    rate_wpm: tuple[int, int] = (110, 190)

    shard: int = 2_000
    """Clips spoken by one fresh process. Part of the data, since eSpeak keeps state."""
    version: int = 2
    """Raise it when the code changes what comes out."""

    def __post_init__(self) -> None:
        for part in PARTS:
            size = self.size(part)
            if size.positives < 1 or size.negatives < 1:
                raise UsageError(
                    "The {part} part of speech-synthetic needs clips with and without the "
                    "keyword, got {positives} and {negatives}.",
                    part=part,
                    positives=size.positives,
                    negatives=size.negatives,
                )

    def size(self, part: Part) -> Size:
        size: Size = getattr(self, part)
        return size


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


@dataclass(frozen=True)
class SpeechJob:
    """The job of one `espeak_worker`: rows `start` to `stop` of the arrays in `folder`.

    Of "slots" (see `tracks`), those after the last word of the part are noise alone.
    """

    kind: Literal["clips", "slots"]
    folder: str
    part: Part
    settings: SyntheticSettings
    entropy: int
    start: int
    stop: int


def cache_key(part: Part, settings: SyntheticSettings, entropy: int) -> str:
    """Names the cache entry; a one-way digest, so that neither seed nor entropy is in it."""
    engine = importlib.metadata.version("espeakng-loader")
    common = {name: value for name, value in asdict(settings).items() if name not in PARTS}
    chosen = common | {"part": part, **asdict(settings.size(part))}
    depends_on = [chosen, VARIANTS[part], ACCENTS, engine, entropy]
    raw = json.dumps(depends_on, sort_keys=True)
    return hashlib.sha256(raw.encode()).hexdigest()[:20]


def plan(
    part: Part, settings: SyntheticSettings, entropy: int, start: int, stop: int
) -> list[ClipPlan]:
    """What clips `start` to `stop` of a part are made of."""
    number = PARTS.index(part)
    order = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(number,)))
    is_keyword = order.permutation(settings.size(part).clips) < settings.size(part).positives
    others = [word for word in WORDS if word != settings.keyword]
    plans = []
    for index in range(start, stop):
        rng = clip_rng(part, entropy, index)
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


def clip_rng(part: Part, entropy: int, index: int, purpose: int = 0) -> np.random.Generator:
    """The generator of one clip; `purpose` 0 draws the plan, 1 the noise."""
    key = (PARTS.index(part), index, purpose)
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))


def build(
    folder: Path,
    part: Part,
    settings: SyntheticSettings,
    entropy: int,
    *,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> tuple[list[str], list[str]]:
    """Write features.npy and labels.npy, and audio.npy unless the part is hidden.

    Returns the word and the speaker of each clip. Raises Fault when a process dies.
    """
    total = settings.size(part).clips
    features.create(folder, total, audio=part != "hidden")
    whole = SpeechJob("clips", str(folder), part, settings, entropy, 0, total)
    speak(whole, settings.shard, progress=progress, jobs=jobs)
    plans = plan(part, settings, entropy, 0, total)
    labels: NDArray[np.uint8] = np.array([p.word == settings.keyword for p in plans], np.uint8)
    np.save(folder / "labels.npy", labels, allow_pickle=False)
    return [p.word for p in plans], [p.variant for p in plans]


def speak(
    whole: SpeechJob,
    shard: int,
    *,
    progress: Progress | None = None,
    what: Text = GENERATING,
    jobs: int | None = None,
) -> None:
    """Do a job in shards, each in a process of its own, `jobs` at a time (default: all cores).

    Raises Fault when a process dies.
    """
    shards = [
        replace(whole, start=start, stop=min(start + shard, whole.stop))
        for start in range(whole.start, whole.stop, shard)
    ]
    total = whole.stop - whole.start
    finished: queue.SimpleQueue[int] = queue.SimpleQueue()
    running: set[subprocess.Popen[str]] = set()
    done = 0
    with ThreadPoolExecutor(min(jobs or os.cpu_count() or 1, len(shards))) as pool:
        futures = [pool.submit(_run, job, finished, running) for job in shards]
        try:
            while done < total:
                try:
                    done += finished.get(timeout=0.1)
                except queue.Empty:
                    for future in futures:
                        if future.done():
                            future.result()  # raises what went wrong
                    continue
                if progress:
                    progress(done, total, what)
        finally:
            if done < total:  # failed or interrupted: the other processes are of no use
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(running):
                    process.kill()
    for future in futures:
        future.result()


def _run(
    job: SpeechJob, finished: queue.SimpleQueue[int], running: set[subprocess.Popen[str]]
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
            stdin.write(msgspec.json.encode(job).decode())
        for line in process.stdout:
            finished.put(int(line))
        status = process.wait()
        running.discard(process)
        if status != 0:
            stderr.seek(0)
            said = stderr.read().decode(errors="replace").strip().splitlines()
            last = said[-1] if said else f"exit status {status}"
            raise Fault("Synthesising speech failed: {last}", last=last)


def _load(request: Request) -> ClipSet:
    part, settings = request.part, request.settings or SyntheticSettings()
    entropy = seeds.entropy(NAME, part, request.seed)
    return clips.open_or_build(
        NAME,
        part,
        settings.keyword,
        cache_key(part, settings, entropy),
        partial(build, part=part, settings=settings, entropy=entropy, progress=request.progress),
        request.progress,
    )


def _is_prepared() -> bool:
    """Whether the public parts are in the cache; their files are checked when they are loaded."""
    for part in PUBLIC_PARTS:
        key = cache_key(part, SyntheticSettings(), seeds.entropy(NAME, part, None))
        if not cache.entry(NAME, part, key).is_dir():
            return False
    return True


_CLIPS = sum(SyntheticSettings().size(part).clips for part in PARTS)
DATASET = Dataset(
    name=NAME,
    holds=ClipSet,
    title=Text("30 command words by eSpeak NG voices, with noise (built in)"),
    keyword=SyntheticSettings.keyword,
    license="made on this machine by eSpeak NG (GPL-3.0), no rights in the sound",
    size=Text("{clips:,} clips", clips=_CLIPS),
    address="https://github.com/espeak-ng/espeak-ng",
    settings=SyntheticSettings,
    load=_load,
    is_prepared=_is_prepared,
)
