"""Tensors that two models share: equal, permuted, or nearly equal.

Tensors of one shape are compared in the order in which they stand in the file. What the lesson
hands out itself (baselines, the template's arrays) is taken out first: tensors equal to it are
left out, and of others its part is subtracted, since pruned copies of one network are alike. The
cosine of two is then held against that of the class, and against what the same seed alone gives.

    similarity of two = parameters in matched tensors x how far beyond / parameters of the smaller
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.similarity.behaviour import expected_of_pairs
from grader.similarity.code import rarity
from grader.similarity.evidence import MODELS
from grader.similarity.sketches import Sketch, sketches_of

SAME_SEED = 0.98
"""Cosine that two runs of one script reach with the same seed, whatever their learning rate and
the order of their data: they keep most of what they were initialised with. Measured at the
distillation lesson: 0.92 to 0.98; other seeds -0.1 to 0.4; a copy trained three epochs on 0.99."""

Key = tuple[str, tuple[int, ...], int]
"""Kind of file, shape, and the how-manieth of that shape."""


@dataclass(frozen=True)
class Match:
    """One tensor that two models have in common."""

    name_a: str
    name_b: str
    shape: tuple[int, ...]
    cosine: float
    equal: bool
    """The same values, in any order."""


class Known:
    """The tensors that the lesson itself hands out."""

    def __init__(self, sketches: Iterable[Sketch]) -> None:
        self._bags: set[str] = set()
        self._by_shape: dict[tuple[int, ...], list[NDArray[np.float32]]] = defaultdict(list)
        for sketch in sketches:
            if sketch.bag not in self._bags:
                self._bags.add(sketch.bag)
                self._by_shape[sketch.shape].append(sketch.vector())

    @classmethod
    def of_folders(cls, folders: Sequence[Path]) -> Known:
        paths = sorted(
            path for folder in folders for kind in MODELS for path in folder.rglob(f"*{kind}")
        )
        return cls(sketch for path in paths for sketch in sketches_of(path.read_bytes(), path.name))

    def holds(self, sketch: Sketch) -> bool:
        return sketch.bag in self._bags

    def beyond(self, sketch: Sketch) -> NDArray[np.float32] | None:
        """(256,) what is the submission's own in it, of length 1; None where nothing is."""
        vector = sketch.vector()
        for known in self._by_shape.get(sketch.shape, ()):
            vector = vector - (vector @ known) * known
        length = float(np.linalg.norm(vector))
        return None if length < 0.05 else vector / length


def own_tensors(sketches: Sequence[Sketch], known: Known) -> dict[Key, Sketch]:
    """A submission's tensors by what they are compared as."""
    seen: dict[tuple[str, tuple[int, ...]], int] = defaultdict(int)
    found = {}
    for sketch in sketches:
        kind = (sketch.file, sketch.shape)
        seen[kind] += 1
        if not known.holds(sketch):
            found[(*kind, seen[kind])] = sketch
    return found


def similarity(owned: Sequence[dict[Key, Sketch]], known: Known) -> NDArray[np.float32]:
    """(n, n) of n submissions' tensors, 0 to 1; 0 on the diagonal."""
    n = len(owned)
    mass = np.array([sum(one.size for one in tensors.values()) for tensors in owned], np.float32)
    shared = np.zeros((n, n), np.float32)
    holders: dict[Key, list[int]] = defaultdict(list)
    for index, tensors in enumerate(owned):
        for key in tensors:
            holders[key].append(index)
    for key, members in holders.items():
        if len(members) > 1:
            alike_here = _beyond([owned[index][key] for index in members], known, n)
            shared[np.ix_(members, members)] += owned[members[0]][key].size * alike_here
    smaller = np.minimum(mass[:, None], mass[None, :])
    alike = np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0)
    np.fill_diagonal(alike, 0.0)
    return alike


def matches(a: dict[Key, Sketch], b: dict[Key, Sketch]) -> list[Match]:
    """The tensors that two compare by, the largest first."""
    found = [
        Match(
            a[key].name,
            b[key].name,
            a[key].shape,
            float(np.clip(a[key].vector() @ b[key].vector(), -1, 1)),
            a[key].bag == b[key].bag,
        )
        for key in a
        if key in b
    ]
    return sorted(found, key=lambda match: -int(np.prod(match.shape)))


def _beyond(tensors: Sequence[Sketch], known: Known, n: int) -> NDArray[np.float32]:
    """(g, g) how far the tensors of g submissions are alike beyond what is usual."""
    g = len(tensors)
    left = [known.beyond(tensor) for tensor in tensors]
    vectors = np.stack([np.zeros(256, np.float32) if one is None else one for one in left])
    cosines = vectors @ vectors.T
    usual = expected_of_pairs(cosines, SAME_SEED)
    beyond = np.clip((cosines - usual) / np.maximum(1 - usual, 1e-3), 0, 1)
    _, bags = np.unique([tensor.bag for tensor in tensors], return_inverse=True)
    times = np.bincount(bags)
    equal = (bags[:, None] == bags[None, :]) * rarity(times, n)[bags][:, None]
    # What many hold is common knowledge (a network from the hub), also where it is nearly equal.
    alike = np.where(bags[:, None] == bags[None, :], equal, beyond)
    alike[np.arange(g), np.arange(g)] = 0
    return alike.astype(np.float32)
