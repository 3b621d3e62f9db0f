"""The streaming report: a picture with one axis of time, and the sound inside the page."""

from __future__ import annotations

import base64
import io
import re
import wave

import numpy as np
import pytest

from grader import report
from grader.lesson import loading
from grader.lesson.grades import Grade, Provenance, Recording, Status, SubmissionId, Versions
from grader.report.charts import recordings
from grader.report.labels import Labels
from grader.text import Text, languages

RATE = 8_000


@pytest.fixture
def recording() -> Recording:
    tone = 128 + 100 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    return Recording(
        name="demonstration",
        title=Text.in_languages({"en": "Three <seconds>", "ru": "Три <секунды>"}),
        sample_rate=RATE,
        audio=tone.astype(np.uint8).tobytes(),
        seconds=[0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
        probabilities=[0.0, 0.1, 0.95, 0.97, 0.2, 0.1],
        threshold=0.9,
        keywords=[(0.8, 1.4), (2.1, 2.6)],
        triggers=[1.5],
        delays=[0.1, None],
    )


def page(recording: Recording, lang: str) -> str:
    grade = Grade(
        lesson="streaming_kws",
        submission=SubmissionId("someone", "0" * 64),
        status=Status.GRADED,
        max_score=10.0,
        recordings=[recording],
        provenance=Provenance(
            grader="0", lesson="0", data="x", isolation="A", versions=Versions("3", "2", "1", "1")
        ),
    )
    return report.student_page(grade, loading.load("streaming_kws").spec, lang)  # type: ignore[arg-type]


def test_the_sound_is_a_wav_inside_the_page(recording):
    found = re.search(r'<audio[^>]* src="data:audio/wav;base64,([^"]+)"', page(recording, "en"))
    assert found is not None
    with wave.open(io.BytesIO(base64.b64decode(found[1]))) as sound:
        assert sound.getnframes() == 3 * RATE
        assert sound.getframerate() == RATE
        assert sound.readframes(3 * RATE) == recording.audio


@pytest.mark.parametrize("lang", languages())
def test_keywords_triggers_and_delays_are_shown(recording, lang):
    shown = page(recording, lang)
    svg = re.search(r'<svg class="plot recording".*?</svg>', shown, re.DOTALL)
    assert svg is not None
    assert svg[0].count('class="keyword"') == 2
    assert svg[0].count("line trigger") == 1
    assert "+100" in svg[0]
    assert Labels(lang)("missed") in svg[0]
    assert "data:image/png;base64," in svg[0]


def test_titles_are_escaped_and_nothing_is_loaded(recording):
    shown = page(recording, "en")
    assert "Three <seconds>" not in shown
    assert "Three &lt;seconds&gt;" in shown
    assert not re.search(r'(?:src|href)="https?:', shown)
    assert "media-src data:" in shown


def test_all_three_parts_share_their_time(recording):
    svg = str(recordings.view(recording, Labels("en")).svg)
    keyword = float(re.findall(r'class="keyword" x="([\d.]+)"', svg)[1])
    seconds = recording.keywords[1][0]
    expected = recordings.LEFT + (recordings.RIGHT - recordings.LEFT) * seconds / 3
    assert keyword == pytest.approx(expected, abs=0.1)


def test_broken_numbers_and_silence_draw_a_picture_all_the_same(recording):
    import msgspec

    broken = msgspec.structs.replace(
        recording, audio=b"\x80" * 10, probabilities=[float("nan"), 7.0, -3.0, 0.5, 0.5, 0.5]
    )
    assert "<svg" in str(recordings.view(broken, Labels("en")).svg)


def test_the_picture_of_the_spectrum_is_a_png(recording):
    svg = str(recordings.view(recording, Labels("en")).svg)
    found = re.search(r"data:image/png;base64,([^\"]+)", svg)
    assert found is not None
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(found[1])))
    assert picture.size == (recordings.COLUMNS, recordings.ROWS)
    opacity = np.asarray(picture)[:, :, 1].mean(axis=1)
    assert opacity.argmax() == recordings.ROWS - 1 - int(440 / (RATE / 2) * recordings.ROWS)
