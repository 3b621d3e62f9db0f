"""The parts share no voice, nor voices that sound alike."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
from scipy.signal import resample_poly

from grader.data import PARTS
from grader.data.speech.espeak import Espeak
from grader.data.speech.features import log_mel
from grader.data.speech.synthetic import ACCENTS, VARIANTS
from grader.text.errors import Fault

COMPARED_WORDS = ("sheila", "house", "five", "zero")


def distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """How unlike two voices are, from log-mels (40, frames) of the same words.

    Both are stretched to 40 frames; the result is their mean absolute difference.
    """
    pairs = zip(a, b, strict=True)
    return float(np.mean([np.abs(stretched(x) - stretched(y)).mean() for x, y in pairs]))


def stretched(mel: np.ndarray) -> np.ndarray:
    return mel[:, np.linspace(0, mel.shape[1] - 1, 40).round().astype(int)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Espeak]:
    before = Path.cwd()
    yield Espeak()  # it needs the working directory that it changes to
    os.chdir(before)


@pytest.fixture(scope="module")
def mels(engine: Espeak) -> dict[str, list[np.ndarray]]:
    """Level-normalized log-mels of each voice for the compared words."""

    def heard(variant: str, word: str) -> np.ndarray:
        samples = engine.say(
            word, accent="en-us", variant=variant, pitch=50, inflection=50, rate=175
        )
        wave = resample_poly(samples.astype(float), 320, 441)[:16_000]
        level = 0.05 * 32768 / np.sqrt(np.mean(wave**2))
        clip = np.zeros((1, 16_000), np.int16)
        clip[0, : len(wave)] = np.clip(wave * level, -32768, 32767)
        return np.maximum(log_mel(clip)[0][:, : len(wave) // 160 + 1], np.log(1e-4))

    variants = itertools.chain(*VARIANTS.values())
    return {v: [heard(v, word) for word in COMPARED_WORDS] for v in variants}


def test_no_variant_is_in_two_parts() -> None:
    everyone = list(itertools.chain(*VARIANTS.values()))
    assert len(everyone) == len(set(everyone))


def test_every_variant_and_accent_is_installed(engine: Espeak) -> None:
    installed = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    assert set(itertools.chain(*VARIANTS.values())) <= {path.name for path in installed.iterdir()}
    spoken = {
        accent: engine.say(
            "house", accent=accent, variant="f1", pitch=50, inflection=50, rate=175
        ).tobytes()
        for accent in ACCENTS
    }
    assert len(set(spoken.values())) == len(ACCENTS)


@pytest.mark.slow
def test_no_two_voices_are_the_same_and_no_part_knows_another(
    mels: dict[str, list[np.ndarray]],
) -> None:
    part_of = {variant: part for part in PARTS for variant in VARIANTS[part]}
    for a, b in itertools.combinations(part_of, 2):
        apart = distance(mels[a], mels[b])
        assert apart > (0.25 if part_of[a] == part_of[b] else 0.85), (a, b, apart)


@pytest.mark.parametrize(("accent", "variant"), [("en", "nobody"), ("xx-none", "f1")])
def test_an_unknown_voice_is_an_error_and_not_the_default_voice(
    engine: Espeak, accent: str, variant: str
) -> None:
    with pytest.raises(Fault, match=f"{accent}\\+{variant}"):
        engine.say("yes", accent=accent, variant=variant, pitch=50, inflection=50, rate=175)


def test_espeak_starts_from_a_long_path_with_letters_of_any_alphabet(tmp_path: Path) -> None:
    site = tmp_path / "Пользователь Иван" / ("x" * 120)
    package = Path(espeakng_loader.__file__).parent
    shutil.copytree(package, site / package.name)
    code = (
        "import espeakng_loader as e; from grader.data.speech.espeak import Espeak;"
        "print(e.__file__);"
        "voice = dict(accent='en', variant='f1', pitch=50, inflection=50, rate=175);"
        "print(len(Espeak().say('yes', **voice)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(site), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    where, samples = done.stdout.splitlines()
    assert where.startswith(str(site))
    assert int(samples) > 2_000
