"""The outcome of running one model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grader.sandbox.runners.sequences import Timing
from grader.sandbox.runners.tokens import Encoded

from .exam import Labels
from .submitted import Model


@dataclass(frozen=True)
class Outcome:
    """Answers and times of one model."""

    model: Model
    encoded: Encoded
    """Token ids of the posts by its tokenizer."""
    logits: NDArray[np.float32]
    """(posts, classes), every post alone."""
    padding_effect: float
    """Change of the logits by padding, in their standard deviations."""
    single: Timing
    """Timing of one post at a time."""
    batched: Timing
    """Timing of 32 posts at a time."""

    @property
    def name(self) -> str:
        return self.model.name

    @cached_property
    def predictions(self) -> Labels:
        """(posts,) numbers of classes."""
        return self.logits.argmax(1)


def per_post(timing: Timing) -> NDArray[np.float64]:
    """Milliseconds per post of every piece of every round, sorted."""
    pieces = timing.seconds.shape[1]
    return np.sort(1e3 * timing.seconds.reshape(-1) * pieces / timing.posts)
