"""Detection of logits in another order of classes, which would give a low accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from grader.text import Text
from grader.text.errors import Rejected

from .exam import Labels

GAIN = 0.15
"""Least gain of another order, and how near to the course's teacher it must come."""
NEAR = 0.1


def require(
    name: str, predictions: Labels, labels: Labels, classes: tuple[str, ...], good: float
) -> None:
    """Raise Rejected when `predictions` would be `good` with the classes in another order.

    A weak model gains nothing from another order: only a good model with permuted classes comes
    near the accuracy `good`.
    """
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (predictions, labels), 1)
    best = max(permutations(range(len(classes))), key=lambda order: _right(counts, order))
    now, then = (
        _right(counts, order) / max(len(labels), 1) for order in (range(len(classes)), best)
    )
    if then - now < GAIN or then < good - NEAR:
        return
    theirs = ", ".join(classes[label] for label in best)
    ours = ", ".join(classes)
    raise Rejected(
        Text(
            "{name}.onnx answers in another order of classes: {now:.0%} of its answers are "
            "right, {then:.0%} would be if its logits stood for {theirs}; the order is {ours}.",
            name=name,
            now=now,
            then=then,
            theirs=theirs,
            ours=ours,
        )
    )


def _right(counts: Labels, order: Sequence[int]) -> int:
    """Right answers when logit i stands for class order[i]."""
    return int(sum(counts[logit, label] for logit, label in enumerate(order)))
