"""One shard of `speech-synthetic` in a fresh process: `python -m grader.data.speech.espeak_worker`.

Reads one JSON order from standard input, writes its rows into the arrays that
`grader.data.speech.synthetic.build` laid out, and prints how many clips it finished, line by line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data.speech import noise
from grader.data.speech.clips import CLIP_SAMPLES, SAMPLE_RATE, Part
from grader.data.speech.espeak import Espeak
from grader.data.speech.features import log_mel
from grader.data.speech.settings import SyntheticSettings
from grader.data.speech.synthetic import ClipPlan, clip_rng, plan

_QUIET = 0.01
"""Silence is what stays below this share of the loudest sample ..."""
_MARGIN_SECONDS = 0.01
"""... and this much of it is left on either side of the word."""
_CHUNK = 200


def main() -> None:
    order = json.load(sys.stdin)
    part: Part = order["part"]
    settings = _settings(order["settings"])
    start, stop = order["start"], order["stop"]
    plans = plan(part, settings, order["entropy"], start, stop)
    words = speak(plans)
    talk = [wave for p, wave in zip(plans, words, strict=True) if p.word != settings.keyword]
    folder = Path(order["folder"])
    features = np.load(folder / "features.npy", mmap_mode="r+")
    keeps_audio = (folder / "audio.npy").exists()
    audio = np.load(folder / "audio.npy", mmap_mode="r+") if keeps_audio else None
    for first in range(0, len(plans), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        rows = slice(start + first, start + min(first + _CHUNK, len(plans)))
        clips = np.stack(
            [
                record(p, wave, clip_rng(part, order["entropy"], p.index, purpose=1), talk)
                for p, wave in zip(plans[chunk], words[chunk], strict=True)
            ]
        )
        features[rows] = log_mel(clips)
        if audio is not None:
            audio[rows] = clips
        print(len(clips), flush=True)


def speak(plans: list[ClipPlan]) -> list[NDArray[np.float32]]:
    """Clean words at 16 kHz, each (samples,), at most a second, without silence around them."""
    from scipy.signal import resample_poly

    engine = Espeak()
    common = int(np.gcd(engine.sample_rate, SAMPLE_RATE))
    up, down = SAMPLE_RATE // common, engine.sample_rate // common
    window = _antialias(up, down)
    words = []
    for p in plans:
        raw = engine.say(
            p.word,
            accent=p.accent,
            variant=p.variant,
            pitch=p.pitch,
            inflection=p.inflection,
            rate=p.rate,
        )
        word = trim(raw, int(_MARGIN_SECONDS * engine.sample_rate)).astype(np.float32)
        words.append(resample_poly(word, up, down, window=window)[:CLIP_SAMPLES])
    return words


def trim(wave: NDArray[np.int16], margin: int) -> NDArray[np.int16]:
    """Cut the silence before and after, all but `margin` samples."""
    loud = np.abs(wave.astype(np.int32))
    (heard,) = np.nonzero(loud > _QUIET * loud.max(initial=0))
    if not len(heard):
        raise ValueError("eSpeak NG returned silence")
    return wave[max(heard[0] - margin, 0) : heard[-1] + 1 + margin]


def record(
    p: ClipPlan,
    wave: NDArray[np.float32],
    rng: np.random.Generator,
    talk: list[NDArray[np.float32]],
) -> NDArray[np.int16]:
    """One second as it would come from a microphone, int16 (16000,)."""
    start = int(p.place * (CLIP_SAMPLES - len(wave)))
    background = noise.make(p.noise, rng, talk)
    clip = noise.mix(wave, start, background, p.snr_db, p.level_dbfs)
    return np.round(clip * 32767.0).astype(np.int16)


def _antialias(up: int, down: int) -> NDArray[np.float32]:
    """The filter that resample_poly would design again for every word."""
    from scipy.signal import firwin

    widest = max(up, down)
    taps = firwin(20 * widest + 1, 1.0 / widest, window=("kaiser", 5.0))
    return np.asarray(taps, np.float32)


def _settings(raw: dict[str, Any]) -> SyntheticSettings:
    """Back from JSON, which knows neither Size nor tuples."""
    return msgspec.convert(raw, SyntheticSettings)


if __name__ == "__main__":
    main()
