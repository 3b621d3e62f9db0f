"""Bytes, time and quality of models on the same posts, as the grader measures them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from tokenizers import Tokenizer

from grader.data.text.posts import LABELS, PostSet
from grader.lesson.spec import RunLimits
from grader.measure import latency
from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.quality import classification
from grader.sandbox.runners.sequences import SequenceJob, SequenceRun, Timing, run_sequences

LIMITS = RunLimits(wall_seconds=1200, cpu_seconds=1200, memory_bytes=6 * 2**30)
LENGTH = 32
"""Tokens of the post at which a graph is counted; bytes do not depend on it."""


@dataclass(frozen=True)
class Candidate:
    """A model and the file of its tokenizer."""

    model: bytes
    tokenizer: bytes

    @classmethod
    def of(cls, model: ModelProto, tokenizer: bytes) -> Candidate:
        return cls(model.SerializeToString(), tokenizer)


@dataclass(frozen=True)
class Measured:
    """One model, and its ratios to the first of those measured with it."""

    name: str
    bytes: int
    """Weights as stored, and the tokenizer's file."""
    params: int
    latency_ms_b1: float
    """One post in a call."""
    latency_ms_b32: float
    """32 posts in a call, all of them together."""
    accuracy: float
    f1_macro: float
    f1_weighted: float
    compression: float = 1.0
    speedup_b1: float = 1.0
    speedup_b32: float = 1.0

    @property
    def speedup(self) -> float:
        """The geometric mean over both batch sizes, which scores."""
        return math.sqrt(self.speedup_b1 * self.speedup_b32)

    def against(self, first: Measured) -> Measured:
        """The same with ratios to `first`."""
        return replace(
            self,
            compression=first.bytes / self.bytes,
            speedup_b1=first.latency_ms_b1 / self.latency_ms_b1,
            speedup_b32=first.latency_ms_b32 / self.latency_ms_b32,
        )


def measure(
    candidates: Mapping[str, Candidate], posts: PostSet, rounds: int = 20
) -> list[Measured]:
    """Every candidate on `posts`; ratios are to the first. They are timed in turn, on one core."""
    run = _run(candidates, posts, rounds)
    rows: list[Measured] = []
    for name, candidate in candidates.items():
        predicted = classification.predictions(run.logits[name])
        found = classification.quality(predicted, posts.labels, len(LABELS))
        report = inspect(candidate.model, GraphLimits(length=LENGTH))
        row = Measured(
            name,
            bytes=report.bytes + len(candidate.tokenizer),
            params=report.params,
            latency_ms_b1=1e3 * _seconds_a_post(run.single[name]),
            latency_ms_b32=32e3 * _seconds_a_post(run.batched[name]),
            accuracy=found.accuracy.value,
            f1_macro=found.f1_macro.value,
            f1_weighted=found.f1_weighted.value,
        )
        rows.append(row if not rows else row.against(rows[0]))
    return rows


def _run(candidates: Mapping[str, Candidate], posts: PostSet, rounds: int) -> SequenceRun:
    ids = {name: _ids(candidate, posts.texts) for name, candidate in candidates.items()}
    models = {name: candidate.model for name, candidate in candidates.items()}
    job = SequenceJob(models, ids, classes=len(LABELS), rounds=rounds)
    return run_sequences(job, LIMITS)


def _ids(candidate: Candidate, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    tokenizer = Tokenizer.from_buffer(candidate.tokenizer)
    return [np.array(found.ids, np.int64) for found in tokenizer.encode_batch(list(texts))]


def _seconds_a_post(timing: Timing) -> float:
    return latency.typical_seconds(timing.seconds, timing.posts)
