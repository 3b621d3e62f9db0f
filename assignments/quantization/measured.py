"""Measurements of the four models, and of the artefact, whose measurements are scored."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from grader.data.text.posts import LABELS
from grader.lesson.grades import Measurement
from grader.measure import latency
from grader.measure.quality import classification
from grader.sandbox.runners.sequences import Timing
from grader.text import Text, plural

from . import claims
from .exam import Exam, Labels
from .outcome import Outcome
from .submitted import NAMES, STUDENT_PTQ, TEACHER, TEACHER_PTQ, Model
from .table import BASELINE, OWN

SCORED = (
    "bytes",
    "params",
    "compression",
    "latency_ratio_b1",
    "latency_ratio_b32",
    "accuracy",
    "f1_macro",
    "f1_weighted",
    "latency_ms_b1",
    "latency_ms_b32",
)
"""Measurements of the artefact, without a prefix."""

Measured = dict[str, Measurement]


def everything(exam: Exam, outcomes: Mapping[str, Outcome]) -> Measured:
    """Measurements of the artefact, then those of all models with their names in front.

    `outcomes` holds the four models and the course's teacher, as BASELINE.
    """
    parts = {name: _of(exam, outcomes[name], outcomes) for name in (BASELINE, *NAMES)}
    own = parts[STUDENT_PTQ]
    artefact = {name: own[name] for name in SCORED}
    named = {f"{name}.{key}": one for name, part in parts.items() for key, one in part.items()}
    return {
        **artefact,
        "speedup": _speedup(own),
        "ptq_compression": parts[TEACHER_PTQ]["compression"],
        "ptq_speedup": _speedup(parts[TEACHER_PTQ]),
        **named,
    }


def stored(model: Model) -> Measured:
    """The counted measurements: `bytes` with the tokenizer, and `params`."""
    return {
        "bytes": Measurement(
            model.bytes,
            "B",
            Text(
                "weights and constants of {file} as stored, {bytes:,}, and its tokenizer's file, "
                "{tokenizer_count:,}",
                file=model.file,
                bytes=model.report.bytes,
                tokenizer_count=len(model.tokenizer),
            ),
        ),
        "params": Measurement(model.report.params, "", Text("stored numbers")),
    }


def _of(exam: Exam, one: Outcome, outcomes: Mapping[str, Outcome]) -> Measured:
    """All measurements of one model, with ratios to the course's teacher and the student's."""
    course, own = outcomes[BASELINE], outcomes[TEACHER]
    return {
        **stored(one.model),
        "compression": _compression(course.model, one.model, _COURSE),
        **_latency(one, "b1"),
        **_latency(one, "b32"),
        "latency_ratio_b1": _ratio(course.single, one.single, _COURSE, 1),
        "latency_ratio_b32": _ratio(course.batched, one.batched, _COURSE, 32),
        **quality(one.predictions, exam.labels),
        f"{OWN}compression": _compression(own.model, one.model, _OWN),
        f"{OWN}ratio_b1": _ratio(own.single, one.single, _OWN, 1),
        f"{OWN}ratio_b32": _ratio(own.batched, one.batched, _OWN, 32),
    }


_COURSE = Text("the course's teacher")
_OWN = Text("the student's own teacher")


def _compression(larger: Model, smaller: Model, whose: Text) -> Measurement:
    return Measurement(
        larger.bytes / max(smaller.bytes, 1),
        "×",
        Text("bytes of {whose} / bytes of this model, tokenizers included", whose=whose),
    )


def _latency(one: Outcome, batch: str) -> Measured:
    """Milliseconds of one post, or of a batch of 32."""
    timing = one.single if batch == "b1" else one.batched
    posts = timing.batch
    # The ratio to a constant is the time itself, with its interval.
    ticks = np.ones((len(timing.seconds), 1))
    found = latency.sequence_ratio(timing.seconds, ticks)
    scale = 1e3 * posts / timing.posts
    return {
        f"latency_ms_{batch}": Measurement(
            found.value * scale,
            "ms",
            plural(
                "{n} post in one call, one core: lower quartile of {rounds} rounds over {all} "
                "posts, tokenization excluded",
                "{n} posts in one call, one core: lower quartile of {rounds} rounds over {all} "
                "posts, tokenization excluded",
                posts,
                rounds=len(timing.seconds),
                all=timing.posts,
            ),
            found.scaled(scale),
        )
    }


def _ratio(base: Timing, ours: Timing, whose: Text, posts: int) -> Measurement:
    found = latency.sequence_ratio(base.seconds, ours.seconds)
    return Measurement(
        found.value,
        "×",
        Text(
            "time of {whose} / time of this model, posts in a call: {posts}; taken in turn in "
            "one process",
            whose=whose,
            posts=posts,
        ),
        found.interval,
    )


def _speedup(of: Measured) -> Measurement:
    """One number for both batch sizes: the geometric mean, as for any ratios."""
    one, many = of["latency_ratio_b1"], of["latency_ratio_b32"]
    ends = zip(one.interval or (one.value,) * 2, many.interval or (many.value,) * 2, strict=True)
    low, high = (math.sqrt(first * second) for first, second in ends)
    return Measurement(
        math.sqrt(one.value * many.value),
        "×",
        Text("geometric mean of latency_ratio_b1 and latency_ratio_b32"),
        (low, high),
    )


def claimable(measured: Mapping[str, Measurement]) -> dict[tuple[str, str], claims.Expected]:
    """Measured values for every cell of table.csv; its ratios are to the student's teacher."""
    found: dict[tuple[str, str], claims.Expected] = {}
    for model in NAMES:
        for key in claims.PLAIN_COLUMNS:
            one = measured[f"{model}.{key}"]
            found[model, key] = claims.Expected(one.value, *(one.interval or (one.value,) * 2))
        compression = measured[f"{model}.{OWN}compression"].value
        ratios = [measured[f"{model}.{OWN}ratio_{batch}"].value for batch in ("b1", "b32")]
        for key, value in (("compression", compression), ("speedup", math.sqrt(math.prod(ratios)))):
            found[model, key] = claims.Expected(value, value, value)
    return found


def quality(predictions: Labels, labels: Labels) -> Measured:
    """`accuracy`, `f1_macro` and `f1_weighted`, shares."""
    found = classification.quality(predictions, labels, len(LABELS))
    posts = len(labels)
    return {
        "accuracy": Measurement(
            found.accuracy.value,
            "",
            Text(
                "share of right answers to {posts:,} posts; 95% interval for other posts",
                posts=posts,
            ),
            found.accuracy.interval,
        ),
        "f1_macro": Measurement(
            found.f1_macro.value,
            "",
            Text("F1 of each class, averaged: a rare class counts as much as a frequent one"),
            found.f1_macro.interval,
        ),
        "f1_weighted": Measurement(
            found.f1_weighted.value,
            "",
            Text("F1 of each class, averaged by the number of its posts"),
            found.f1_weighted.interval,
        ),
    }
