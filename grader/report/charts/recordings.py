"""The input and the output of a streaming model: a picture with a common time axis, and the sound.

From top to bottom: waveform, spectrogram, probability. Keywords are shaded through all three, a
trigger is a vertical line, and the delay from a keyword's end to its trigger is written next to it.
Spectrogram and sound are made here from the samples in the grade, so that the page loads no files.
"""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from grader.lesson.grades import Recording
from grader.report import numbers
from grader.report.charts.drawing import Legend, Plot, Table
from grader.report.labels import Labels
from grader.text.untrusted import name

WIDTH, LEFT, RIGHT = 900.0, 46.0, 884.0
WAVE_TOP, WAVE_BOTTOM = 8.0, 78.0
SOUND_TOP, SOUND_BOTTOM = 86.0, 186.0
ANSWER_TOP, ANSWER_BOTTOM = 202.0, 322.0
HEIGHT = 362.0
COLUMNS, ROWS = 600, 64
"""Pixels of the spectrogram."""
LOUD_DB = 60.0
"""Levels this far below the maximum are not drawn."""
MOST_SAMPLES = 60 * 48_000


@dataclass(frozen=True)
class RecordingPlot(Plot):
    """A recording as a plot with its sound."""

    audio: str = ""
    """A data: URL of a .wav file."""


def view(recording: Recording, labels: Labels) -> RecordingPlot:
    """The recording as picture, sound and table."""
    samples = np.frombuffer(recording.audio[:MOST_SAMPLES], np.uint8).astype(np.float64) / 128 - 1
    return RecordingPlot(
        title=recording.title.to(labels.lang),
        svg=_picture(recording, samples, labels),
        audio="data:audio/wav;base64," + _wav(recording),
        legend=[
            Legend.line("submission", labels("probability")),
            Legend.line("threshold", labels("threshold")),
            Legend.line("trigger", labels("trigger")),
        ],
        caption=recording.caption.to(labels.lang),
        table=_table(recording, labels),
    )


def _picture(recording: Recording, samples: NDArray[np.float64], labels: Labels) -> Markup:
    length = max(len(samples) / max(recording.sample_rate, 1), 1e-3)
    parts = [
        *(
            f'<rect class="keyword" x="{_x(begin, length):.1f}" y="{WAVE_TOP:g}" '
            f'width="{_x(end, length) - _x(begin, length):.1f}" '
            f'height="{ANSWER_BOTTOM - WAVE_TOP:g}"/>'
            for begin, end in recording.keywords
        ),
        _waveform(samples),
        _spectrogram(samples, recording.sample_rate),
        *_time_axis(length, labels),
        *(
            f'<path class="grid" d="M{LEFT:g} {_y(value):g}H{RIGHT:g}"/>'
            f'<text class="tick" x="{LEFT - 6:g}" y="{_y(value) + 4:g}" text-anchor="end">'
            f"{value:g}</text>"
            for value in (0.0, 0.5, 1.0)
        ),
        _answers(recording, length),
        *_triggers(recording, length, labels),
    ]
    keywords, triggers = len(recording.keywords), len(recording.triggers)
    counts = labels("recording_described", keywords=keywords, triggers=triggers)
    description = name(f"{recording.title.to(labels.lang)}. {counts}", 300)
    return Markup(
        f'<svg class="plot recording" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(description)}">{"".join(parts)}</svg>'
    )


def _x(seconds: float, length: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(max(seconds / length, 0.0), 1.0)


def _y(probability: float) -> float:
    inside = min(max(probability, 0.0), 1.0)
    return ANSWER_BOTTOM - (ANSWER_BOTTOM - ANSWER_TOP) * inside


def _waveform(samples: NDArray[np.float64]) -> str:
    """The range of the samples in every pixel's width, as one closed outline."""
    columns = np.array_split(samples, min(COLUMNS, max(len(samples), 1)))
    middle, half = (WAVE_TOP + WAVE_BOTTOM) / 2, (WAVE_BOTTOM - WAVE_TOP) / 2
    step = (RIGHT - LEFT) / max(len(columns), 1)
    pairs = [(one.min(initial=0.0), one.max(initial=0.0)) for one in columns]
    top = [f"{LEFT + i * step:.1f} {middle - half * high:.1f}" for i, (_, high) in enumerate(pairs)]
    low = [f"{LEFT + i * step:.1f} {middle - half * low:.1f}" for i, (low, _) in enumerate(pairs)]
    return f'<path class="waveform" d="M{"L".join([*top, *reversed(low)])}Z"/>'


def _spectrogram(samples: NDArray[np.float64], rate: int) -> str:
    """Power in decibels, low frequencies at the bottom, as the opacity of one gray.

    Such a picture is readable on a light and on a dark background.
    """
    size = 256
    if len(samples) < size:
        return ""
    starts = np.linspace(0, len(samples) - size, COLUMNS).astype(int)
    frames = samples[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, :-1]) ** 2
    power = power.reshape(COLUMNS, ROWS, -1).mean(axis=2)
    level = 10 * np.log10(power + 1e-12)
    alpha = np.clip((level - level.max()) / LOUD_DB + 1, 0, 1)
    image = _png(np.round(255 * alpha.T[::-1]).astype(np.uint8))
    return (
        f'<image x="{LEFT:g}" y="{SOUND_TOP:g}" width="{RIGHT - LEFT:g}" '
        f'height="{SOUND_BOTTOM - SOUND_TOP:g}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{base64.b64encode(image).decode("ascii")}"/>'
        f'<text class="tick" x="{LEFT - 6:g}" y="{SOUND_BOTTOM:g}" text-anchor="end">0</text>'
        f'<text class="tick" x="{LEFT - 6:g}" y="{SOUND_TOP + 10:g}" text-anchor="end">'
        f"{rate / 2000:g} kHz</text>"
    )


def _time_axis(length: float, labels: Labels) -> list[str]:
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 60) if length / s <= 15), 300)
    parts = [
        f'<path class="spine" d="M{LEFT:g} {ANSWER_BOTTOM:g}H{RIGHT:g}"/>',
        f'<text class="label" x="{(LEFT + RIGHT) / 2:g}" y="{HEIGHT - 4:g}" '
        f'text-anchor="middle">{escape(labels("seconds_heard"))}</text>',
    ]
    for number in range(int(length / step) + 1):
        at = _x(number * step, length)
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{ANSWER_BOTTOM + 16:g}" text-anchor="middle">'
            f"{number * step:g}</text>"
        )
    return parts


def _answers(recording: Recording, length: float) -> str:
    """The probability over time as steps: each value holds until the next."""
    path: list[str] = []
    last = 0.0
    for seconds, probability in zip(recording.seconds, recording.probabilities, strict=False):
        if not (numbers.finite(seconds) and numbers.finite(probability)):
            continue
        x, y = _x(seconds, length), _y(probability)
        path.append(f"{'L' if path else 'M'}{x:.1f} {_y(last) if path else y:.1f}L{x:.1f} {y:.1f}")
        last = probability
    rule = _y(recording.threshold)
    return (
        f'<path class="line threshold" d="M{LEFT:g} {rule:.1f}H{RIGHT:g}"/>'
        f'<path class="line submission" d="{"".join(path)}"/>'
    )


def _triggers(recording: Recording, length: float, labels: Labels) -> list[str]:
    parts = [
        f'<path class="line trigger" d="M{_x(at, length):.1f} {WAVE_TOP:g}V{ANSWER_BOTTOM:g}"/>'
        for at in recording.triggers
    ]
    for (_, end), delay in zip(recording.keywords, recording.delays, strict=False):
        text = labels("missed") if delay is None else f"{1000 * delay:+.0f} {labels.unit('ms')}"
        parts.append(
            f'<text class="name" x="{_x(end + (delay or 0.0), length) + 5:.1f}" '
            f'y="{WAVE_TOP + 10:g}">{escape(text)}</text>'
        )
    return parts


def _table(recording: Recording, labels: Labels) -> Table:
    rows: list[list[str]] = []
    for (begin, end), delay in zip(recording.keywords, recording.delays, strict=False):
        late = labels("missed") if delay is None else numbers.number(1000 * delay, labels.lang)
        rows.append(
            [
                str(len(rows) + 1),
                numbers.number(begin, labels.lang),
                numbers.number(end, labels.lang),
                late,
            ]
        )
    unit = labels.unit("s")
    head = [
        labels("keyword"),
        f"{labels('begins')}, {unit}",
        f"{labels('ends')}, {unit}",
        f"{labels('delay')}, {labels.unit('ms')}",
    ]
    return Table(head, rows)


def _wav(recording: Recording) -> str:
    """The samples as a .wav file in base64: 8 bits, one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(min(max(recording.sample_rate, 1_000), 48_000))
        sound.writeframes(recording.audio[:MOST_SAMPLES])
    return base64.b64encode(file.getvalue()).decode("ascii")


def _png(alpha: NDArray[np.uint8]) -> bytes:
    """A PNG of one gray from opacities (rows, columns). PNG specification, color type 4."""
    height, width = alpha.shape
    gray = np.full_like(alpha, 110)
    rows = np.stack([gray, alpha], axis=2).reshape(height, -1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    )
