"""Recorded data sets: real recordings, partial copies, damage of every kind."""

from __future__ import annotations

import io
import logging
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.data import PARTS, FsddSettings, get, load
from grader.data.speech.recordings import read_wav
from grader.text.errors import DataError

from .conftest import write_wav

TONE = (9_000 * np.sin(np.arange(4_000) / 5)).astype("<i2")


def test_fsdd_is_split_by_speaker(shared_cache: Path, fsdd_folder: Path) -> None:
    parts = {part: load("fsdd", part, source=fsdd_folder) for part in PARTS}
    speakers = {part: set(clips.speakers) for part, clips in parts.items()}
    assert speakers == {
        "train": {"jackson", "nicolas", "yweweler"},
        "validation": {"george"},
        "hidden": {"lucas", "theo"},
    }
    sizes = {part: (clips.positives, clips.negatives) for part, clips in parts.items()}
    assert sizes == {"train": (150, 1_350), "validation": (50, 450), "hidden": (100, 900)}
    assert {word for clips in parts.values() for word in clips.words} >= {"zero", "seven", "nine"}


def test_fsdd_clips_are_the_recordings_at_16_khz(shared_cache: Path, fsdd_folder: Path) -> None:
    clips = load("fsdd", "validation", source=fsdd_folder)
    assert clips.audio is not None
    paths = sorted(fsdd_folder.glob("*_george_*.wav"), key=lambda path: path.name)
    for index in (0, 123, 499):
        original = read_wav(paths[index], 8_000).astype(float)
        second = np.asarray(clips.audio[index], float)
        sounding = np.flatnonzero(second)
        heard = second[sounding[0] : sounding[-1] + 1]
        assert len(heard) == pytest.approx(min(2 * len(original), 16_000), abs=400)
        # Every other sample of the doubled rate is the recording's own.
        lag = np.correlate(heard[::2], original[: len(heard) // 2], "full").max()
        lag = max(lag, np.correlate(heard[1::2], original[: len(heard) // 2], "full").max())
        assert lag / (np.linalg.norm(heard[::2]) * np.linalg.norm(original)) > 0.98


def test_speech_commands_keeps_the_official_split_of_a_partial_copy(
    shared_cache: Path, speech_commands_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    testing = (speech_commands_folder / "testing_list.txt").read_text(encoding="utf-8").split()
    there = [path for path in testing if (speech_commands_folder / path).is_file()]
    with caplog.at_level(logging.WARNING):
        hidden = load("speech-commands", "hidden", source=speech_commands_folder)
    assert hidden.name == "speech-commands-v0.01"
    assert sorted(hidden.words) == sorted(path.split("/")[0] for path in there)
    assert (hidden.positives, hidden.negatives) == (1, 50)
    assert "partial copy: 95 of the 13,633" in caplog.text
    train = load("speech-commands", "train", source=speech_commands_folder)
    validation = load("speech-commands", "validation", source=speech_commands_folder)
    assert len(train) + len(validation) + len(hidden) == 300
    speakers = [set(clips.speakers) for clips in (train, validation, hidden)]
    assert not speakers[0] & speakers[2]
    assert not speakers[1] & speakers[2]


def test_speech_commands_audio_is_the_file_itself(
    shared_cache: Path, speech_commands_folder: Path
) -> None:
    train = load("speech-commands", "train", source=speech_commands_folder)
    assert train.audio is not None
    first = train.words[0]
    candidates = [read_wav(p, 16_000) for p in (speech_commands_folder / first).glob("*.wav")]
    padded = [np.pad(c, (0, 16_000 - len(c))) for c in candidates]
    assert any(np.array_equal(train.audio[0], candidate) for candidate in padded)


@pytest.mark.parametrize(
    ("name", "folder"), [("fsdd", "fsdd"), ("speech-commands", "speech_commands_sample")]
)
def test_get_from_a_folder_makes_the_source_unnecessary(
    shared_cache: Path, name: str, folder: str, request: pytest.FixtureRequest
) -> None:
    fixture = "fsdd_folder" if name == "fsdd" else "speech_commands_folder"
    source: Path = request.getfixturevalue(fixture)
    parts = get(name, source)
    for part in PARTS:
        assert load(name, part).fingerprint == parts[part].fingerprint
        assert load(name, part, source=source).fingerprint == parts[part].fingerprint


def test_before_get_the_error_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(DataError, match=r"grader data get speech-commands-v0\.02"):
        load("speech-commands-v0.02", "train")
    with pytest.raises(DataError, match="--from"):
        get("fsdd")


def test_prepared_data_outlive_their_source_until_they_are_damaged(
    cache: Path, digits: Path
) -> None:
    get("fsdd", digits)
    shutil.rmtree(digits)
    path = load("fsdd", "hidden").features_path
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"does not exist.*--from"):
        load("fsdd", "hidden")


def test_a_changed_recording_is_noticed(cache: Path, digits: Path) -> None:
    before = load("fsdd", "hidden", source=digits).fingerprint
    write_wav(digits / "7_theo_0.wav", TONE)
    assert load("fsdd", "hidden", source=digits).fingerprint != before


def test_two_copies_of_the_same_recordings_have_one_fingerprint(
    cache: Path, digits: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "clone" / "recordings"
    shutil.copytree(digits, copy)
    first = load("fsdd", "hidden", source=digits)
    second = load("fsdd", "hidden", source=copy.parent)  # the repository, not the folder in it
    assert first.fingerprint == second.fingerprint


def test_recordings_longer_than_a_second_lose_both_ends(cache: Path, digits: Path) -> None:
    long = np.zeros(12_000, "<i2")
    long[5_900:6_100] = 20_000  # a click in the middle stays in the middle
    write_wav(digits / "7_george_0.wav", long)
    clips = load("fsdd", "validation", source=digits)
    assert clips.audio is not None
    click = np.flatnonzero(np.abs(clips.audio[list(clips.words).index("seven")]) > 10_000)
    assert click.mean() == pytest.approx(8_000, abs=10)


def test_noise_can_be_added_to_fsdd_at_a_stated_snr(cache: Path, digits: Path) -> None:
    clean = load("fsdd", "validation", source=digits)
    noisy = load("fsdd", "validation", source=digits, settings=FsddSettings(noise_snr_db=10.0))
    assert clean.audio is not None
    assert noisy.audio is not None
    for before, after in zip(clean.audio.astype(float), noisy.audio.astype(float), strict=True):
        word = np.abs(before) > 0
        added = np.mean((after - before) ** 2)
        assert 10 * np.log10(np.mean(before[word] ** 2) / added) == pytest.approx(10, abs=0.2)


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def cut_samples(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1_000])


def no_samples(path: Path) -> None:
    write_wav(path, TONE[:0])


def wrong_rate(path: Path) -> None:
    write_wav(path, TONE, rate=44_100)


def stereo(path: Path) -> None:
    write_wav(path, TONE, channels=2)


def eight_bits(path: Path) -> None:
    write_wav(path, TONE, width=1)


def a_text(path: Path) -> None:
    path.write_text("not a recording at all, just some text in a file", encoding="utf-8")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_header, "header"),
        (cut_samples, "of the"),
        (no_samples, "no samples"),
        (wrong_rate, "44100"),
        (stereo, "found 2"),
        (eight_bits, "found 1, 8"),
        (a_text, "no PCM"),
        (nothing, "header"),
    ],
)
def test_a_damaged_recording_is_named_with_what_is_wrong_and_what_to_do(
    cache: Path, digits: Path, damage: Callable[[Path], None], said: str
) -> None:
    path = digits / "5_theo_0.wav"
    damage(path)
    with pytest.raises(DataError) as caught:
        load("fsdd", "hidden", source=digits)
    for lang in ("en", "ru"):
        sentence = caught.value.to(lang)
        assert str(path) in sentence
        assert said in sentence
        assert "--from" in sentence


@pytest.mark.parametrize("name", ["fsdd", "speech-commands"])
def test_a_folder_that_is_none_is_told_apart(cache: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load(name, "train", source=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"fsdd|testing_list|validation_list"):
        load(name, "train", source=tmp_path / "empty")


def test_a_file_in_place_of_a_folder_is_told(cache: Path, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a file"):
        load("fsdd", "train", source=digits / "7_theo_0.wav")
    with pytest.raises(DataError, match="cannot be unpacked"):
        load("speech-commands", "train", source=digits / "7_theo_0.wav")


def test_a_part_without_the_keyword_is_told_with_its_counts(cache: Path, digits: Path) -> None:
    for path in digits.glob("7_*.wav"):
        path.unlink()
    with pytest.raises(DataError, match=r"hidden part.*0 clips of “seven” and 4 of other"):
        load("fsdd", "hidden", source=digits)


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A small folder in the layout of Speech Commands."""
    folder = tmp_path / "commands"
    for word in ("sheila", "yes"):
        for speaker in ("aaaa1111", "bbbb2222", "cccc3333"):
            write_wav(folder / word / f"{speaker}_nohash_0.wav", TONE, rate=16_000)
    write_wav(folder / "_background_noise_" / "tap.wav", TONE, rate=16_000)
    for name, speaker in (("testing_list.txt", "aaaa1111"), ("validation_list.txt", "bbbb2222")):
        lines = [f"{word}/{speaker}_nohash_0.wav" for word in ("sheila", "yes")]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["testing_list.txt", "validation_list.txt"])
def test_a_missing_split_list_is_named(cache: Path, commands: Path, name: str) -> None:
    (commands / name).unlink()
    with pytest.raises(DataError, match=f"{name}.*grader data get"):
        load("speech-commands-v0.02", "train", source=commands)


def test_an_archive_can_take_the_place_of_the_folder(
    cache: Path, commands: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "speech_commands.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(commands, arcname=".")
    parts = get("speech-commands-v0.02", archive)
    assert {part: len(clips) for part, clips in parts.items()} == dict.fromkeys(PARTS, 2)
    from_folder = load("speech-commands-v0.02", "hidden", source=commands)
    assert parts["hidden"].fingerprint == from_folder.fingerprint
    archive.unlink()
    assert load("speech-commands-v0.02", "hidden").fingerprint == from_folder.fingerprint


def test_a_damaged_archive_is_named_and_leaves_nothing(
    cache: Path, commands: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "speech_commands.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(commands, arcname=".")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"speech_commands\.tar\.gz cannot be unpacked"):
        get("speech-commands-v0.02", archive)
    assert not [p for p in (cache / "sources").iterdir() if p.is_dir()]


@pytest.mark.parametrize("kind", ["path", "link"])
def test_an_archive_cannot_write_outside_its_folder(cache: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("../../escaped.txt" if kind == "path" else "sheila")
        if kind == "link":
            member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path)
        else:
            member.size = 4
        tar.addfile(member, io.BytesIO(b"evil") if kind == "path" else None)
    with pytest.raises(DataError, match="cannot be unpacked"):
        get("speech-commands-v0.01", archive)
    assert not list(tmp_path.rglob("escaped.txt"))
