"""Figures of a report, and the recording that it plays."""

from __future__ import annotations

import numpy as np

from grader.lesson.grades import Axis, Figure, Recording, Series
from grader.measure.quality import detection
from grader.measure.streams import detections, session
from grader.measure.streams.detections import SAMPLE_RATE
from grader.measure.streams.stream_model import StreamModel
from grader.sandbox.runners.stream import StreamJob
from grader.text import Text

from .exam import Exam, floats

PLAYED_RATE = 8_000
PLAYED_CHUNK = 640
"""Samples of a chunk of the recording that a page plays."""


def curve(exam: Exam, scores: np.ndarray) -> Figure:
    """False accepts against false rejects, beside the baseline's."""
    return Figure(
        name="fa_fr",
        title=Text("False accepts against false rejects"),
        kind="line",
        x=Axis(
            Text("false accepts, share of seconds"),
            scale="log",
        ),
        y=Axis(Text("false rejects, share of seconds"), scale="log"),
        series=[
            _curve_series(
                exam,
                exam.baseline_scores,
                Text("baseline, each second alone"),
                "baseline",
            ),
            _curve_series(exam, scores, Text("this stream"), "submission"),
        ],
        caption=Text(
            "One point for each threshold; closer to the lower left corner is better. Zero "
            "errors are drawn at half a second."
        ),
    )


def _curve_series(exam: Exam, scores: np.ndarray, label: Text, role: str) -> Series:
    fa, fr, _ = detection.fa_fr_curve(scores, exam.labels)
    half = 0.5 / len(exam.labels)
    kept = detection.thin_curve(fa, fr, 200)
    x, y = np.maximum(fa[kept], half), np.maximum(fr[kept], half)
    return Series(label, role, x=x.tolist(), y=y.tolist())  # type: ignore[arg-type]


def chunk_costs(model: StreamModel) -> Figure:
    """Multiplications per second of sound by chunk size."""
    sizes = [size for size in sorted(model.macs) if size < SAMPLE_RATE]
    return Figure(
        name="chunk_costs",
        title=Text("What a second costs, by chunk"),
        kind="line",
        x=Axis(Text("chunk"), unit="ms"),
        y=Axis(Text("MACs per second"), scale="log"),
        series=[
            Series(
                Text("this submission"),
                "submission",
                x=[1000 * size / SAMPLE_RATE for size in sizes],
                y=[model.macs_per_second[size] for size in sizes],
            )
        ],
        caption=Text(
            "A graph has to be ready for a step in every chunk; in chunks shorter than a step "
            "most of that is thrown away."
        ),
    )


def demonstration(exam: Exam, job: StreamJob) -> Recording:
    """Run the model on the public recording: its probabilities, detections and the sound."""
    sound = floats(exam.demo).reshape(-1)
    heard = session.listen(job, sound, PLAYED_CHUNK, exam.limits)
    threshold = exam.settings["threshold"]
    found = detections.detect(heard.probabilities, heard.ends, exam.demo_spans, threshold)
    played = sound.reshape(-1, SAMPLE_RATE // PLAYED_RATE).mean(axis=1)
    loudest = float(np.abs(played).max()) or 1.0
    audio = np.round(128 + 127 * played / loudest).clip(0, 255).astype(np.uint8)
    return Recording(
        name="demonstration",
        title=Text(
            "{demo_count} seconds, “{keyword}” said {demo_spans_count} times",
            demo_count=len(exam.demo),
            keyword=exam.keyword,
            demo_spans_count=len(exam.demo_spans),
        ),
        sample_rate=PLAYED_RATE,
        audio=audio.tobytes(),
        seconds=(heard.ends / SAMPLE_RATE).round(4).tolist(),
        probabilities=heard.probabilities.clip(-1e6, 1e6).round(5).tolist(),
        threshold=threshold,
        keywords=[tuple(span) for span in (exam.demo_spans / SAMPLE_RATE).tolist()],
        triggers=(found.triggers / SAMPLE_RATE).tolist(),
        delays=[None if np.isnan(delay) else delay for delay in found.delays.tolist()],
        caption=Text(
            "A public recording, the same for everybody, in chunks of {chunk} ms. It is played "
            "with half the samples.",
            chunk=1000 * PLAYED_CHUNK // SAMPLE_RATE,
        ),
    )
