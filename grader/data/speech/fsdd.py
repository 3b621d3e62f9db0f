"""`fsdd`: the Free Spoken Digit Dataset, real voices, keyword "seven".

3,000 recordings of the ten digits by six speakers at 8 kHz, named `digit_speaker_index.wav`
(github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0).
"""

from __future__ import annotations

import logging
import re
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.data.dataset import Dataset, Part, Progress
from grader.data.speech import noise
from grader.data.speech.clips import CLIP_SAMPLES, SAMPLE_RATE, ClipSet
from grader.data.speech.recordings import Collection, RecordedData, Recording, require_folder
from grader.text import Text
from grader.text.errors import DataError

NAME = "fsdd"
ADDRESS = "https://github.com/Jakobovski/free-spoken-digit-dataset"
KEYWORD = "seven"
RECORDED_RATE = 8_000

SPEAKERS: dict[str, Part] = {
    "jackson": "train",
    "nicolas": "train",
    "yweweler": "train",
    "george": "validation",
    "lucas": "hidden",
    "theo": "hidden",
}
"""The parts share no speaker; train and hidden have native and foreign accents."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
REMEDY = Text(
    "Get the recordings with `git clone {address}` and give their folder with --from.",
    address=ADDRESS,
)

TAKES = 50
"""Recordings of each digit by each speaker."""

_log = logging.getLogger(__name__)
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")


@dataclass(frozen=True)
class FsddSettings:
    """A lesson may change these."""

    noise_snr_db: float | None = None
    """Pink noise this far below the recording, for all parts; None adds none. Only needed when a
    baseline makes no errors at all, so that nothing can be compared."""


def collect(
    source: Path, settings: FsddSettings | None = None, _progress: Progress | None = None
) -> Collection:
    """The recordings of a folder, or of the repository that has them in `recordings/`.

    Raises DataError when it is not there or holds no recordings.
    """
    require_folder(source, NAME, REMEDY)
    inner = source / "recordings"
    folder = inner if inner.is_dir() else source
    matches = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    recordings = tuple(
        Recording(match[0], DIGITS[int(match[1])], match[2], SPEAKERS[match[2]])
        for match in matches
        if match[2] in SPEAKERS
    )
    if not recordings:
        raise DataError(
            "{folder} holds no recording of fsdd, such as 7_theo_0.wav. {remedy}",
            folder=folder,
            remedy=REMEDY,
        )
    found = {match[0] for match in matches}
    expected = [f"{d}_{s}_{i}.wav" for d in range(10) for s in SPEAKERS for i in range(TAKES)]
    if missing := [name for name in expected if name not in found]:
        _log.warning(
            "%s lacks %s of the %s recordings, %s first, so figures do not compare with those of "
            "the whole set. %s",
            folder,
            f"{len(missing):,}",
            f"{len(expected):,}",
            missing[0],
            REMEDY,
        )
    settings = settings or FsddSettings()
    return Collection(
        name=NAME,
        folder=folder,
        keyword=KEYWORD,
        sample_rate=RECORDED_RATE,
        recordings=recordings,
        fit=partial(_fit, snr_db=settings.noise_snr_db),
        settings=f"fsdd 1 {settings}",
        remedy=REMEDY,
    )


def _fit(samples: NDArray[np.int16], path: str, snr_db: float | None) -> NDArray[np.int16]:
    """A recording (samples,) at 8 kHz as a clip (16000,) at 16 kHz.

    A longer recording loses both ends; a shorter one is placed by a checksum of its name.
    """
    from scipy.signal import resample_poly

    speech = resample_poly(samples.astype(np.float64), SAMPLE_RATE // RECORDED_RATE, 1)
    surplus = max(len(speech) - CLIP_SAMPLES, 0)
    speech = speech[surplus // 2 :][:CLIP_SAMPLES]
    number = zlib.crc32(path.encode())
    start = number % (CLIP_SAMPLES - len(speech) + 1)
    if snr_db is None:
        clip = np.zeros(CLIP_SAMPLES)
        clip[start : start + len(speech)] = speech
    else:
        quiet = np.asarray(speech / 32768.0, np.float32)
        level_dbfs = 20.0 * np.log10(max(float(np.sqrt(np.mean(np.square(quiet)))), 1e-5))
        background = noise.make("pink", np.random.default_rng(number), [])
        mixed = noise.mix(quiet, start, background, snr_db, level_dbfs)
        clip = mixed.astype(np.float64) * 32767.0
    return np.clip(np.round(clip), -32768, 32767).astype(np.int16)


RECORDED = RecordedData(NAME, REMEDY, collect)
DATASET = Dataset(
    name=NAME,
    holds=ClipSet,
    title=Text("Free Spoken Digit Dataset, real recordings"),
    keyword=KEYWORD,
    license="CC BY-SA 4.0",
    size=Text("3,000 clips, 20 MB"),
    address=ADDRESS,
    settings=FsddSettings,
    load=RECORDED.load,
    prepare=RECORDED.prepare,
    is_prepared=RECORDED.is_prepared,
)
