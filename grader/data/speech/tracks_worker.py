"""One shard of the slots of `grader.data.speech.tracks` in a fresh process, as eSpeak needs it.

`python -m grader.data.speech.tracks_worker` reads one JSON order from standard input, fills its
rows of slots.npy and spans.npy, and prints how many it finished.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data.speech import noise
from grader.data.speech.clips import CLIP_SAMPLES, Part
from grader.data.speech.espeak_worker import record, speak
from grader.data.speech.settings import SyntheticSettings
from grader.data.speech.synthetic import clip_rng, plan


def main() -> None:
    order = json.load(sys.stdin)
    part: Part = order["part"]
    settings = msgspec.convert(order["settings"], SyntheticSettings)
    entropy, start, stop = order["entropy"], order["start"], order["stop"]
    words = settings.size(part).clips
    folder = Path(order["folder"])
    slots = np.load(folder / "slots.npy", mmap_mode="r+")
    spans = np.load(folder / "spans.npy", mmap_mode="r+")
    plans = plan(part, settings, entropy, start, min(stop, words))
    waves = speak(plans)
    talk = [wave for p, wave in zip(plans, waves, strict=True) if p.word != settings.keyword]
    for p, wave in zip(plans, waves, strict=True):
        rng = clip_rng(part, entropy, p.index, purpose=1)
        begin = int(p.place * (CLIP_SAMPLES - len(wave)))
        slots[p.index] = record(p, wave, rng, talk)
        spans[p.index] = begin, begin + len(wave)
    for index in range(max(start, words), stop):
        slots[index] = _background(clip_rng(part, entropy, index), settings, talk)
    print(stop - start, flush=True)


def _background(
    rng: np.random.Generator, settings: SyntheticSettings, talk: list[NDArray[np.float32]]
) -> NDArray[np.int16]:
    """A second of noise alone, as loud as it is behind the words; int16 (16000,)."""
    kind = noise.NOISES[rng.integers(len(noise.NOISES))]
    level = rng.uniform(*settings.level_dbfs) - rng.uniform(*settings.snr_db)
    wave = noise.make(kind, rng, talk) if talk or kind != "babble" else noise.make("pink", rng, [])
    wave = wave * np.float32(10 ** (level / 20) / max(float(np.sqrt(np.mean(wave**2))), 1e-9))
    return np.round(np.clip(wave, -1, 1) * 32767.0).astype(np.int16)


if __name__ == "__main__":
    main()
