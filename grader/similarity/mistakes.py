"""A submission's answers to hidden items as codes: 0 where right, else which wrong answer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def of_classes(predictions: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """(items,) 0 where the predicted class is the label, else 1 + the class; at most 254
    classes are told apart."""
    chosen, right = np.asarray(predictions).ravel(), np.asarray(labels).ravel()
    return np.where(chosen == right, 0, 1 + chosen % 254).astype(np.uint8)


def of_scores(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.uint8]:
    """(items,) 1 where a detector errs that accepts as many items as there are positives: its
    misses and false accepts are then equally many, whatever the scale of its scores."""
    ranked, positive = np.asarray(scores, np.float64).ravel(), np.asarray(labels).ravel() == 1
    accepted = np.zeros(len(ranked), bool)
    accepted[np.argsort(-ranked, kind="stable")[: int(positive.sum())]] = True
    return (accepted != positive).astype(np.uint8)


def of_values(stated: Sequence[object], right: Sequence[bool]) -> NDArray[np.uint8]:
    """(items,) for answers that are numbers or words: equal wrong ones get equal codes."""
    codes = [
        0 if ok else 1 + zlib.crc32(repr(one).encode()) % 255
        for one, ok in zip(stated, right, strict=True)
    ]
    return np.array(codes, np.uint8)
