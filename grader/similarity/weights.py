"""Tensors that two models share: equal, permuted, or nearly equal.

Each tensor is kept as a sketch: 256 sums of its elements with random signs, the same signs for all
tensors of one size (a count sketch: Charikar, Chen, Farach-Colton 2002). The cosine of two sketches
is that of the tensors, within 1/16 for unrelated ones and within 0.005 above 0.96.

Tensors of one shape are compared in the order of the file. What the lesson hands out (baselines,
arrays of the template) is removed first: tensors equal to it are left out, and its part in others
is subtracted, because pruned copies of one network are alike. The cosine of two tensors is then
compared with those of the class, and with what an equal seed alone gives.

    similarity of two = parameters in matched tensors x how far beyond / parameters of the smaller
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.similarity.behaviour import beyond_class, rarity

MODELS = (".onnx", ".npz")
"""Suffixes of files whose tensors are compared."""
SAME_SEED = 0.98
"""Cosine that two runs of one script reach with the same seed, whatever their learning rate and
the order of their data, because they keep most of their initial weights. Measured in the
distillation lesson: 0.92 to 0.98; other seeds -0.1 to 0.4; a copy trained three epochs on 0.99."""
BUCKETS = 256
LEAST_ELEMENTS = 64
"""Of a tensor; smaller ones, such as most biases, are left out."""
MOST_ELEMENTS = 2**21
"""Of a tensor; only the first elements of a larger one are sketched."""
MOST_TENSORS = 48
"""Of a file; the largest are kept."""
MOST_BYTES = 2**28
"""Of all arrays of a file, unpacked."""
LEAST_VALUES = 32
"""Distinct values of a tensor that is compared without order; permutations of fewer values, such as
weights of two bits, arise without copying."""

Key = tuple[str, tuple[int, ...], int]
"""Kind of file, shape, and the number of the tensor among those of that shape."""


class Sketch(msgspec.Struct, frozen=True, array_like=True):
    """The sketch of one tensor."""

    file: str
    name: str
    """The submission's name of the tensor, which is untrusted text."""
    shape: tuple[int, ...]
    bag: str
    """Hash of the values without their order, so that permuted channels do not change it."""
    signs: bytes
    """float16 (256,): the sketch of the tensor minus its mean, of length 1."""

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def vector(self) -> NDArray[np.float32]:
        return np.frombuffer(self.signs, np.float16).astype(np.float32)


@dataclass(frozen=True)
class Match:
    """One tensor that two models have in common."""

    name_a: str
    name_b: str
    shape: tuple[int, ...]
    cosine: float
    equal: bool
    """True if both have the same values, in any order."""


class LessonTensors:
    """The tensors that the lesson itself hands out."""

    def __init__(self, sketches: Iterable[Sketch]) -> None:
        self._bags: set[str] = set()
        self._by_shape: dict[tuple[int, ...], list[NDArray[np.float32]]] = defaultdict(list)
        for sketch in sketches:
            if sketch.bag not in self._bags:
                self._bags.add(sketch.bag)
                self._by_shape[sketch.shape].append(sketch.vector())

    @classmethod
    def of_folders(cls, folders: Sequence[Path]) -> LessonTensors:
        paths = sorted(
            path for folder in folders for kind in MODELS for path in folder.rglob(f"*{kind}")
        )
        return cls(sketch for path in paths for sketch in sketches_of(path.read_bytes(), path.name))

    def __contains__(self, sketch: Sketch) -> bool:
        return sketch.bag in self._bags

    def own_part(self, sketch: Sketch) -> NDArray[np.float32]:
        """(256,), the submission's own part of a tensor, of length 1; zeros if there is none."""
        vector = sketch.vector()
        for known in self._by_shape.get(sketch.shape, ()):
            vector = vector - (vector @ known) * known
        length = float(np.linalg.norm(vector))
        return np.zeros(BUCKETS, np.float32) if length < 0.05 else vector / length


def own_tensors(sketches: Sequence[Sketch], known: LessonTensors) -> dict[Key, Sketch]:
    """A submission's own tensors by the key under which they are compared."""
    seen: dict[tuple[str, tuple[int, ...]], int] = defaultdict(int)
    found = {}
    for sketch in sketches:
        kind = (sketch.file, sketch.shape)
        seen[kind] += 1
        if sketch not in known:
            found[(*kind, seen[kind])] = sketch
    return found


def similarity(owned: Sequence[dict[Key, Sketch]], known: LessonTensors) -> NDArray[np.float32]:
    """(n, n), the similarity of n submissions' tensors, 0 to 1; 0 on the diagonal."""
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
    """The tensors by which two submissions are compared, the largest first."""
    found = []
    for one, other in ((a[key], b[key]) for key in a if key in b):
        cosine = float(np.clip(one.vector() @ other.vector(), -1, 1))
        found.append(Match(one.name, other.name, one.shape, cosine, one.bag == other.bag))
    return sorted(found, key=lambda match: -math.prod(match.shape))


def _beyond(tensors: Sequence[Sketch], known: LessonTensors, n: int) -> NDArray[np.float32]:
    """(g, g), how far the tensors of g submissions are alike beyond what is usual."""
    vectors = np.stack([known.own_part(tensor) for tensor in tensors])
    cosines = vectors @ vectors.T
    beyond = beyond_class(cosines, SAME_SEED)
    _, bags = np.unique([tensor.bag for tensor in tensors], return_inverse=True)
    equal = bags[:, None] == bags[None, :]
    # A tensor that many have, such as of a public network, weighs little.
    common = rarity(np.bincount(bags), n)[bags][:, None]
    alike = np.where(equal, common, beyond)
    np.fill_diagonal(alike, 0)
    return alike.astype(np.float32)


# Sketches -----------------------------------------------------------------------------------


def sketches_of(raw: bytes, path: str) -> list[Sketch]:
    """Sketches of the tensors in an .onnx or .npz file, in the file's order; none if it is
    damaged."""
    try:
        tensors = list(_onnx(raw) if path.endswith(".onnx") else _npz(raw))
    except Exception:  # a hostile file may cause any exception in a parser
        return []
    sized = sorted(range(len(tensors)), key=lambda index: -tensors[index][1].size)
    made = (_sketch(path, *tensors[index]) for index in sorted(sized[:MOST_TENSORS]))
    return [sketch for sketch in made if sketch is not None]


def _sketch(path: str, name: str, values: NDArray[np.generic]) -> Sketch | None:
    """None for a tensor that is constant or not finite."""
    numbers = values.ravel()[:MOST_ELEMENTS].astype(np.float64)
    if not np.isfinite(numbers).all():
        return None
    centered = numbers - numbers.mean()
    sums = np.zeros(BUCKETS * math.ceil(centered.size / BUCKETS))
    sums[: centered.size] = centered * _random_signs(centered.size)
    vector = sums.reshape(-1, BUCKETS).sum(0)
    length = float(np.linalg.norm(vector))
    if length == 0:
        return None
    ordered = np.sort(numbers.astype(np.float32))
    many = np.count_nonzero(np.diff(ordered)) >= LEAST_VALUES
    bag = (ordered if many else numbers.astype(np.float32)).tobytes()
    return Sketch(
        path,
        name[:200],
        tuple(int(side) for side in values.shape),
        hashlib.sha256(bag).hexdigest()[:24],
        (vector / length).astype(np.float16).tobytes(),
    )


@lru_cache(maxsize=32)
def _random_signs(size: int) -> NDArray[np.int8]:
    bits = np.random.Generator(np.random.Philox([size, 7919])).integers(0, 2, size, np.int8)
    return 2 * bits - 1


def _onnx(raw: bytes) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Names and values of the stored tensors."""
    import onnx
    from onnx import TensorProto, numpy_helper

    graph = onnx.load_model_from_string(raw).graph
    constants = (
        (node.output[0], attribute.t)
        for node in graph.node
        if node.op_type == "Constant" and node.output
        for attribute in node.attribute
        if attribute.HasField("t")
    )
    for name, tensor in (*((one.name, one) for one in graph.initializer), *constants):
        inside = tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data
        if inside and math.prod(tensor.dims) >= LEAST_ELEMENTS:
            values = numpy_helper.to_array(tensor)
            if values.dtype != np.bool_ and values.dtype.kind not in "OSU":
                yield name, values


def _npz(raw: bytes) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Names and values of the arrays."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        left = MOST_BYTES
        for entry in archive.infolist():
            left -= entry.file_size
            if not entry.filename.endswith(".npy") or left < 0:
                continue
            try:
                with archive.open(entry) as file:
                    contents = io.BytesIO(file.read(entry.file_size))
                values = np.load(contents, allow_pickle=False)
            except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile):
                continue
            if values.size >= LEAST_ELEMENTS and values.dtype.kind in "fiu":
                yield entry.filename.removesuffix(".npy"), values
