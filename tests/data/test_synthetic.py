"""`speech-synthetic`: real synthesis on small settings."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grader.data import PARTS, Size, SyntheticSettings, load, seeds
from grader.data.speech import synthetic
from grader.data.speech.espeak_worker import trim
from grader.data.speech.features import log_mel
from grader.data.speech.synthetic import ACCENTS, NAME, VARIANTS
from grader.text.errors import Fault, UsageError

from .conftest import SMALL

BREATHY = {"whisper", "whisperf", "victor", "Demonic"}


def built(folder: Path, settings: SyntheticSettings = SMALL, jobs: int = 2) -> dict[str, str]:
    """sha256 of what a build of the train part writes."""
    folder.mkdir()
    synthetic.build(folder, "train", settings, seeds.entropy(NAME, "train", None), jobs=jobs)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.mark.slow
def test_the_same_shards_in_fresh_processes_are_identical_bytes(tmp_path: Path) -> None:
    plans = synthetic.plan("train", SMALL, seeds.entropy(NAME, "train", None), 0, 120)
    assert BREATHY & {p.variant for p in plans}  # voices made of random breath are among them
    first = built(tmp_path / "first", jobs=1)
    time.sleep(1.1)  # eSpeak would seed its breath with the second of the day
    assert built(tmp_path / "second", jobs=2) == first


@pytest.mark.slow
def test_what_is_loaded_is_what_was_asked_for(shared_cache: Path) -> None:
    for part in PARTS:
        clips = load("speech-synthetic", part, seed="secret", settings=SMALL)
        size = SMALL.size(part)
        assert (clips.positives, clips.negatives) == (size.positives, size.negatives)
        assert clips.features.shape == (size.clips, 40, 101)
        assert clips.features.dtype == np.float32
        assert not clips.features.flags.writeable
        assert [word == "sheila" for word in clips.words] == list(clips.labels == 1)
        assert set(clips.speakers) <= set(VARIANTS[part])
        assert np.array_equal(np.load(clips.features_path), clips.features)


@pytest.mark.slow
def test_features_are_those_of_the_stored_audio(shared_cache: Path) -> None:
    clips = load("speech-synthetic", "validation", settings=SMALL)
    assert clips.audio is not None
    assert np.array_equal(log_mel(np.asarray(clips.audio)), clips.features)


@pytest.mark.slow
def test_the_hidden_part_keeps_no_audio_and_its_labels_apart(shared_cache: Path) -> None:
    clips = load("speech-synthetic", "hidden", seed="secret", settings=SMALL)
    assert clips.audio is None
    names = {path.name for path in clips.features_path.parent.iterdir()}
    assert names == {"features.npy", "labels.npy", "clips.json", "manifest.json"}


@pytest.mark.slow
def test_another_seed_is_another_hidden_part_and_no_file_tells_the_seed(shared_cache: Path) -> None:
    seed = "correct-horse-battery"
    one = load("speech-synthetic", "hidden", seed=seed, settings=SMALL)
    other = load("speech-synthetic", "hidden", seed="secret", settings=SMALL)
    assert one.fingerprint != other.fingerprint
    assert one.words != other.words
    entropy = seeds.entropy(NAME, "hidden", seed)
    for path in shared_cache.rglob("*"):
        assert seed not in path.name
        if path.suffix == ".json":
            text = path.read_text(encoding="utf-8")
            assert seed not in text
            assert str(entropy) not in text


@pytest.mark.slow
def test_clips_are_unclipped_and_as_loud_as_stated(shared_cache: Path) -> None:
    clips = load("speech-synthetic", "train", settings=SMALL)
    assert clips.audio is not None
    audio = np.asarray(clips.audio, np.float64)
    assert np.abs(audio).max() < 32767
    # A word fills between a fifth and all of the second, which lowers the RMS by up to 7 dB.
    rms = 20 * np.log10(np.sqrt((audio**2).mean(axis=1)) / 32768)
    assert rms.min() > SMALL.level_dbfs[0] - 8
    assert rms.max() < SMALL.level_dbfs[1] + 2


def test_settings_of_one_part_leave_the_other_parts_cache_alone() -> None:
    more = replace(SMALL, hidden=Size(50, 150))
    assert more.hidden == Size(50, 150)
    for part in PARTS:
        entropy = seeds.entropy(NAME, part, "s")
        same = synthetic.cache_key(part, more, entropy) == synthetic.cache_key(part, SMALL, entropy)
        assert same == (part != "hidden")


def test_every_other_setting_has_a_cache_entry_of_its_own() -> None:
    changed = [
        replace(SMALL, snr_db=(0.0, 5.0)),
        replace(SMALL, pitch=(50, 50)),
        replace(SMALL, rate_wpm=(150, 160)),
        replace(SMALL, keyword="marvin"),
        replace(SMALL, shard=61),
        replace(SMALL, version=SMALL.version + 1),
    ]
    keys = {synthetic.cache_key("train", s, 1) for s in (SMALL, *changed)}
    assert len(keys) == len(changed) + 1


def test_plans_do_not_depend_on_where_a_shard_begins() -> None:
    whole = synthetic.plan("hidden", SMALL, 7, 0, 80)
    assert whole[30:50] == synthetic.plan("hidden", SMALL, 7, 30, 50)


def test_draws_cover_every_voice_word_noise_and_the_whole_snr_range() -> None:
    settings = SyntheticSettings()
    plans = synthetic.plan("hidden", settings, seeds.entropy(NAME, "hidden", "s"), 0, 4_000)
    assert {p.variant for p in plans} == set(VARIANTS["hidden"])
    assert {p.accent for p in plans} == set(ACCENTS)
    assert len({p.word for p in plans}) == 30
    low, high = settings.snr_db
    snr = np.array([p.snr_db for p in plans])
    assert low <= snr.min() < low + 0.5
    assert high - 0.5 < snr.max() <= high
    assert snr.mean() == pytest.approx((low + high) / 2, abs=0.6)
    share = Counter(p.word == "sheila" for p in plans)[True] / len(plans)
    assert share == pytest.approx(0.25, abs=0.03)  # positives are spread over the part


def test_the_default_hidden_part_has_at_least_4000_positives() -> None:
    assert SyntheticSettings().hidden.positives >= 4_000


def test_the_public_parts_ignore_the_seed_and_the_hidden_part_does_not() -> None:
    for part in ("train", "validation"):
        assert seeds.entropy(NAME, part, "a") == seeds.entropy(NAME, part, None)
    assert seeds.entropy(NAME, "hidden", "a") != seeds.entropy(NAME, "hidden", "b")
    assert seeds.entropy(NAME, "hidden", "public") != seeds.entropy(NAME, "train", None)


def test_a_part_without_either_class_is_refused() -> None:
    with pytest.raises(UsageError, match="validation"):
        SyntheticSettings(validation=Size(0, 5))


def test_silence_around_a_word_is_cut() -> None:
    wave = np.zeros(1_000, np.int16)
    wave[300:500] = 9_000
    assert len(trim(wave, 10)) == 220
    with pytest.raises(ValueError, match="silence"):
        trim(np.zeros(10, np.int16), 1)


@pytest.mark.slow
def test_a_worker_that_fails_is_a_fault_and_leaves_nothing(cache: Path) -> None:
    mute = replace(SMALL, keyword=" ")
    with pytest.raises(Fault, match="silence"):
        load("speech-synthetic", "validation", settings=mute)
    assert not [p for p in (cache / "data").iterdir() if p.is_dir()]


@pytest.mark.slow
def test_python_files_in_the_current_folder_are_not_imported(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('not mine')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    tiny = replace(SMALL, validation=Size(1, 3))
    assert len(load("speech-synthetic", "validation", settings=tiny)) == 4


@pytest.mark.slow
def test_progress_is_reported_up_to_the_last_clip(cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    tiny = replace(SMALL, validation=Size(2, 6), shard=4)
    load(
        "speech-synthetic",
        "validation",
        settings=tiny,
        progress=lambda done, total, _what: seen.append((done, total)),
    )
    assert seen == [(4, 8), (8, 8)]


LOAD_MANY = """
import sys, json
from grader.data import load, Size, SyntheticSettings
settings = SyntheticSettings(validation=Size(150, 450), shard=300)
def progress(done, total, what):
    print(json.dumps([done, total, str(what)]), flush=True)
clips = load("speech-synthetic", "validation", settings=settings, progress=progress)
print(json.dumps(clips.fingerprint))
"""


def loading() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD_MANY], stdout=subprocess.PIPE, encoding="utf-8"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_build_leaves_nothing_that_is_trusted(cache: Path) -> None:
    victim = loading()
    assert victim.stdout is not None
    victim.stdout.readline()  # some clips are done, not all
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    left = [p.name for p in (cache / "data").iterdir() if p.is_dir()]
    assert left
    assert all(name.endswith(".partial") for name in left)
    output, _ = loading().communicate(timeout=300)
    assert len(json.loads(output.splitlines()[-1])) == 64
    (entry,) = [p for p in (cache / "data").iterdir() if p.is_dir()]
    assert not entry.name.endswith(".partial")


@pytest.mark.slow
def test_two_processes_build_once_and_agree(cache: Path) -> None:
    outputs = [
        [json.loads(line) for line in process.communicate(timeout=300)[0].splitlines()]
        for process in [loading(), loading()]
    ]
    assert outputs[0][-1] == outputs[1][-1]
    worked = [any("synthesizing" in str(line) for line in output) for output in outputs]
    assert sorted(worked) == [False, True]
