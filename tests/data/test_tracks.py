"""Long tracks: words with known places, glued; hidden ones from the instructor's seed."""

from __future__ import annotations

import numpy as np
import pytest

from grader.data.speech import tracks
from grader.data.speech.clips import CLIP_SAMPLES
from grader.data.speech.tracks import SlotCounts
from grader.text.errors import DataError, UsageError

FEW = SlotCounts(12, 40, 4)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def slots(_own_cache):
    return tracks.load("speech-synthetic", "validation", counts=FEW)


def test_slots_hold_what_was_asked_for(slots):
    assert len(slots) == 56
    assert slots.labels.sum() == 12
    assert slots.words.count("") == 4
    assert slots.audio.shape == (56, CLIP_SAMPLES)
    assert "sheila" in slots.words


def test_the_word_is_where_its_span_says(slots):
    for word, (begin, end), clip in zip(slots.words, slots.spans, slots.audio, strict=True):
        if not word:
            assert (begin, end) == (0, 0)
            continue
        assert 0 <= begin < end <= CLIP_SAMPLES
        loud = np.abs(clip.astype(np.float64))
        outside = np.delete(loud, np.s_[begin:end])
        if len(outside) > 1_000:
            assert loud[begin:end].std() > outside.std()


def test_no_keyword_follows_another_in_the_stream(slots):
    assert not (slots.labels[:-1] & slots.labels[1:]).any()


def test_short_tracks_have_every_number_of_keywords_apart_from_each_other(slots):
    found = tracks.short_tracks(slots, 12, np.random.default_rng(0))
    counts = {int(slots.labels[list(track.slots)].sum()) for track in found}
    assert counts == {0, 1, 2, 3}
    for track in found:
        assert 10 * CLIP_SAMPLES <= track.samples <= 20 * CLIP_SAMPLES
        labels = slots.labels[list(track.slots)]
        assert not (labels[:-1] & labels[1:]).any()
        assert not labels[0]
        assert not labels[-1]


def test_gluing_keeps_samples_and_moves_spans(slots):
    order = [int(np.flatnonzero(slots.labels)[0]), 3, int(np.flatnonzero(slots.labels)[1])]
    sound = tracks.glue(slots, order)
    assert sound.dtype == np.float32
    assert np.array_equal(np.round(sound[:CLIP_SAMPLES] * 32768), slots.audio[order[0]])
    spans = tracks.keyword_spans(slots, order)
    keywords = sum(int(slots.labels[i]) for i in order)
    assert len(spans) == keywords
    assert spans[-1][0] == 2 * CLIP_SAMPLES + slots.spans[order[2]][0]


def test_the_same_seed_gives_the_same_hidden_slots_and_another_gives_others(slots):
    few = SlotCounts(2, 5, 1)
    one, again, other = (
        tracks.load("speech-synthetic", "hidden", seed=seed, counts=few) for seed in ("a", "a", "b")
    )
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_a_damaged_cache_is_built_again(slots):
    few = SlotCounts(2, 4, 1)
    first = tracks.load("speech-synthetic", "train", counts=few)
    raw = first.path.read_bytes()
    first.path.chmod(0o644)
    first.path.write_bytes(raw[:-8] + b"damaged!")
    assert tracks.load("speech-synthetic", "train", counts=few).fingerprint == first.fingerprint


def test_the_hidden_part_needs_the_seed():
    with pytest.raises(UsageError, match="seed"):
        tracks.load("speech-synthetic", "hidden")


def test_unknown_names_and_missing_recordings_get_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="no long tracks"):
        tracks.load("speech-commands", "train")
    with pytest.raises(DataError, match="fsdd"):
        tracks.load("fsdd", "train", source=tmp_path / "nothing")


def test_real_recordings_are_heard_several_times_between_others(shared_data, slots):
    found = tracks.load("fsdd", "hidden", source=shared_data / "fsdd")
    assert found.keyword == "seven"
    assert len(set(found.sources)) < len(found)
    assert found.labels.sum() == 3 * 100
    assert not (found.labels[:-1] & found.labels[1:]).any()
