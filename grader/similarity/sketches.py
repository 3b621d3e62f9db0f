"""Weights in few numbers: enough to tell equal, nearly equal and permuted tensors apart.

A sketch is 256 sums of the tensor's elements with random signs, the same signs for all tensors of
one size (a count sketch: Charikar, Chen, Farach-Colton 2002). The cosine of two sketches is that
of the tensors, within 1/16 for unrelated ones and within 0.005 where it is above 0.96.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

BUCKETS = 256
LEAST_ELEMENTS = 64
"""Smaller tensors (most biases) say little."""
MOST_ELEMENTS = 2**21
"""Of one tensor; of a larger one its first so many are sketched."""
MOST_TENSORS = 48
"""Of one file: the largest."""
MOST_BYTES = 2**28
"""Of all arrays of one file together, unpacked."""
LEAST_VALUES = 32
"""Distinct ones; permutations of fewer (weights of two bits) arise without copying."""


class Sketch(msgspec.Struct, frozen=True, array_like=True):
    """Of one tensor."""

    file: str
    name: str
    """As the submission calls it: escape it."""
    shape: tuple[int, ...]
    bag: str
    """Hash of the values without their order: permuted channels leave it as it is."""
    signs: bytes
    """float16 (256,): the sketch of the tensor without its mean, of length 1."""

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def vector(self) -> NDArray[np.float32]:
        return np.frombuffer(self.signs, np.float16).astype(np.float32)


def sketches_of(raw: bytes, path: str) -> list[Sketch]:
    """Of the tensors in an .onnx or .npz file, in the file's order; of a damaged file none."""
    try:
        tensors = list(_onnx(raw) if path.endswith(".onnx") else _npz(raw))
    except Exception:  # whatever a hostile file makes a parser do: it is no evidence
        return []
    sized = sorted(range(len(tensors)), key=lambda index: -tensors[index][1].size)
    kept = sorted(sized[:MOST_TENSORS])
    made = (_sketch(path, *tensors[index]) for index in kept)
    return [sketch for sketch in made if sketch is not None]


def _sketch(path: str, name: str, values: NDArray[np.generic]) -> Sketch | None:
    flat = values.ravel()[:MOST_ELEMENTS]
    numbers = flat.astype(np.float64)
    if not np.isfinite(numbers).all():
        return None
    centred = numbers - numbers.mean()
    sums = np.zeros(BUCKETS * math.ceil(centred.size / BUCKETS))
    sums[: centred.size] = centred * _random_signs(centred.size)
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
        here = tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data
        if here and math.prod(tensor.dims) >= LEAST_ELEMENTS:
            values = numpy_helper.to_array(tensor)
            if values.dtype != np.bool_ and values.dtype.kind not in "OSU":
                yield name, values


def _npz(raw: bytes) -> Iterator[tuple[str, NDArray[np.generic]]]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        left = MOST_BYTES
        for entry in archive.infolist():
            left -= entry.file_size
            if not entry.filename.endswith(".npy") or left < 0:
                continue
            try:
                with archive.open(entry) as file:
                    held = io.BytesIO(file.read(entry.file_size))
                values = np.load(held, allow_pickle=False)
            except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile):
                continue
            if values.size >= LEAST_ELEMENTS and values.dtype.kind in "fiu":
                yield entry.filename.removesuffix(".npy"), values
