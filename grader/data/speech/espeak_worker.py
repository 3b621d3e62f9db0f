"""Part of `speech-synthetic` or of its long tracks, spoken in a fresh process, as eSpeak needs it.

`python -m grader.data.speech.espeak_worker` reads one `synthetic.SpeechJob` as JSON from standard
input, writes its rows into the arrays that were laid out in its folder, and prints how many it
finished, line by line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.data.speech import noise
from grader.data.speech.clips import CLIP_SAMPLES, SAMPLE_RATE
from grader.data.speech.espeak import Espeak
from grader.data.speech.features import log_mel
from grader.data.speech.noise import Waves
from grader.data.speech.synthetic import ClipPlan, SpeechJob, SyntheticSettings, clip_rng, plan

_SILENCE = 0.01
"""Around a word, samples below this share of the loudest one are silence ..."""
_MARGIN_SECONDS = 0.01
"""... and this much of it is left on either side of the word."""
_CHUNK = 200


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=SpeechJob)
    {"clips": write_clips, "slots": write_slots}[job.kind](job)


def write_clips(job: SpeechJob) -> None:
    """Fill rows of features.npy and, where it was laid out, of audio.npy."""
    plans = plan(job.part, job.settings, job.entropy, job.start, job.stop)
    words = speak(plans)
    talk = _other_words(plans, words, job.settings)
    folder = Path(job.folder)
    features = np.load(folder / "features.npy", mmap_mode="r+")
    keeps_audio = (folder / "audio.npy").exists()
    audio = np.load(folder / "audio.npy", mmap_mode="r+") if keeps_audio else None
    for first in range(0, len(plans), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        rows = slice(job.start + first, job.start + min(first + _CHUNK, len(plans)))
        clips = np.stack(
            [
                record(p, wave, clip_rng(job.part, job.entropy, p.index, purpose=1), talk)
                for p, wave in zip(plans[chunk], words[chunk], strict=True)
            ]
        )
        features[rows] = log_mel(clips)
        if audio is not None:
            audio[rows] = clips
        print(len(clips), flush=True)


def write_slots(job: SpeechJob) -> None:
    """Fill rows of slots.npy and spans.npy: words, and after the last of them noise alone."""
    part, settings, entropy = job.part, job.settings, job.entropy
    words = settings.size(part).clips
    slots = np.load(Path(job.folder) / "slots.npy", mmap_mode="r+")
    spans = np.load(Path(job.folder) / "spans.npy", mmap_mode="r+")
    plans = plan(part, settings, entropy, job.start, min(job.stop, words))
    waves = speak(plans)
    talk = _other_words(plans, waves, settings)
    for p, wave in zip(plans, waves, strict=True):
        begin = _start(p, wave)
        slots[p.index] = record(p, wave, clip_rng(part, entropy, p.index, purpose=1), talk)
        spans[p.index] = begin, begin + len(wave)
    for index in range(max(job.start, words), job.stop):
        slots[index] = _background(clip_rng(part, entropy, index), settings, talk)
    print(job.stop - job.start, flush=True)


def speak(plans: list[ClipPlan]) -> list[Waves]:
    """Clean words at 16 kHz, each (samples,), at most a second, without silence around them."""
    from scipy.signal import firwin, resample_poly

    engine = Espeak()
    common = int(np.gcd(engine.sample_rate, SAMPLE_RATE))
    up, down = SAMPLE_RATE // common, engine.sample_rate // common
    widest = max(up, down)
    # The filter that resample_poly would design again for every word.
    window = firwin(20 * widest + 1, 1.0 / widest, window=("kaiser", 5.0)).astype(np.float32)
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
    (heard,) = np.nonzero(loud > _SILENCE * loud.max(initial=0))
    if not len(heard):
        raise ValueError("eSpeak NG returned silence")
    return wave[max(heard[0] - margin, 0) : heard[-1] + 1 + margin]


def record(
    p: ClipPlan, wave: Waves, rng: np.random.Generator, talk: list[Waves]
) -> NDArray[np.int16]:
    """One second as it would come from a microphone, int16 (16000,)."""
    background = noise.make(p.noise, rng, talk)
    clip = noise.mix(wave, _start(p, wave), background, p.snr_db, p.level_dbfs)
    return np.round(clip * 32767.0).astype(np.int16)


def _start(p: ClipPlan, wave: Waves) -> int:
    """The sample at which the word begins."""
    return int(p.place * (CLIP_SAMPLES - len(wave)))


def _other_words(
    plans: list[ClipPlan], waves: list[Waves], settings: SyntheticSettings
) -> list[Waves]:
    """What babble is made of: every word but the keyword."""
    return [wave for p, wave in zip(plans, waves, strict=True) if p.word != settings.keyword]


def _background(
    rng: np.random.Generator, settings: SyntheticSettings, talk: list[Waves]
) -> NDArray[np.int16]:
    """A second of noise alone, as loud as it is behind the words; int16 (16000,)."""
    kind = noise.NOISES[rng.integers(len(noise.NOISES))]
    level = rng.uniform(*settings.level_dbfs) - rng.uniform(*settings.snr_db)
    wave = noise.make(kind, rng, talk) if talk or kind != "babble" else noise.make("pink", rng, [])
    wave = wave * np.float32(10 ** (level / 20) / max(float(np.sqrt(np.mean(wave**2))), 1e-9))
    return np.round(np.clip(wave, -1, 1) * 32767.0).astype(np.int16)


if __name__ == "__main__":
    main()
