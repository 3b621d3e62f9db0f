"""A query and the reply so far become counts: the input of the network.

The firmware does the same in features.c. Nothing here is learned, so it may be changed only in
what `Encoding` has: the grader computes the same counts from the numbers in model.npz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from grader.data.text.chat import Position

GROUP = 3


@dataclass(frozen=True)
class Encoding:
    """How many buckets the hashes fall into."""

    query_buckets: int = 128
    context_buckets: int = 128
    context_length: int = 8
    """How many of the reply's last characters the network sees."""

    @property
    def inputs(self) -> int:
        return self.query_buckets + self.context_buckets


def encode(positions: Sequence[Position], encoding: Encoding) -> np.ndarray:
    """Counts, uint8 (positions, inputs)."""
    counts = np.zeros((len(positions), encoding.inputs), np.uint8)
    for row, position in zip(counts, positions, strict=True):
        row[: encoding.query_buckets] = _query(position.query, encoding)
        row[encoding.query_buckets :] = _context(position.context, encoding)
    return counts


@lru_cache(maxsize=100_000)
def _query(query: str, encoding: Encoding) -> np.ndarray:
    """Every trigram of the query with a space on each side."""
    text = f" {query.lower()} "
    groups = [text[start : start + GROUP] for start in range(len(text) - GROUP + 1)]
    buckets = [hash16(0, group) % encoding.query_buckets for group in groups]
    return np.bincount(buckets, minlength=encoding.query_buckets).astype(np.uint8)


@lru_cache(maxsize=100_000)
def _context(context: str, encoding: Encoding) -> np.ndarray:
    """Groups of 1, 2 and 3 of the last characters, each hashed together with its place."""
    length = encoding.context_length
    text = context.lower()[-length:].rjust(length)
    buckets = [
        hash16(7 * start, text[start : start + size]) % encoding.context_buckets
        for start in range(length)
        for size in range(1, GROUP + 1)
        if start + size <= length
    ]
    return np.bincount(buckets, minlength=encoding.context_buckets).astype(np.uint8)


def hash16(value: int, text: str) -> int:
    """31 h + code for every character, in 16 bits."""
    for char in text:
        value = (31 * value + ord(char)) & 0xFFFF
    return value
