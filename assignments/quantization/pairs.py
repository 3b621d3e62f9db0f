"""A float model beside its quantized form, tensor by tensor.

Tools differ in where they store scales and in the names that they give. In all of them the stored
integers of an output channel are the float weights of that channel, divided by a scale, shifted and
rounded. So each float tensor is matched with the stored tensor of its shape that a scale and a
shift for each channel explain best, and the unexplained rest is the error of quantization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

LEAST_ELEMENTS = 256
"""Fewest elements of a tensor; quantizers leave smaller ones (biases, norms) unchanged."""
SAMPLED = 4096
"""Elements of a tensor that are sampled to compare candidates."""
SAME = 0.7
"""Correlation above which stored numbers are the float tensor's: two bits give 0.9, the weights of
another training run 0."""
_BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.INT8: 8,
    TensorProto.UINT8: 8,
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.INT2: 2,
    TensorProto.UINT2: 2,
    TensorProto.INT16: 16,
    TensorProto.UINT16: 16,
}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Weight:
    """One stored tensor as numbers; integers are not yet scaled."""

    name: str
    bits: int
    integer: bool
    values: Floats
    """In the shape in which it is stored."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)


@dataclass(frozen=True)
class Pair:
    """A float tensor and its stored form in the other model."""

    weight: Weight
    stored: Weight | None
    """None where no tensor of the other model resembles it."""
    error: float = 1.0
    """Root mean square of the error over that of the weights, 0 to 1."""
    rebuilt: Floats | None = None
    """The stored numbers, scaled and shifted channel by channel, in the shape of the weight."""

    @property
    def params(self) -> int:
        return self.weight.values.size

    @property
    def quantized(self) -> bool:
        """True when it is stored in integers of at most 8 bits."""
        return self.stored is not None and self.stored.integer and self.stored.bits <= 8

    @property
    def resembles(self) -> bool:
        """False where the stored tensor agrees with the weight in name and shape only."""
        return self.stored is not None and self.error <= (1 - SAME**2) ** 0.5

    @property
    def usual_error(self) -> float:
        """Relative error of rounding a normal distribution out to 4 standard deviations."""
        bits = self.stored.bits if self.stored is not None else 8
        return 4.0 / (2 ** (bits - 1) - 1 or 1) / 12**0.5


def weights(model: bytes) -> list[Weight]:
    """Matrices and kernels that an ONNX model stores, its Constant nodes included."""
    graph = onnx.load_model_from_string(model).graph
    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            tensors += [(node.output[0], a.t) for a in node.attribute if a.HasField("t")]
    return [
        _weight(name, tensor)
        for name, tensor in tensors
        if len(tensor.dims) >= 2
        and prod(tensor.dims) >= LEAST_ELEMENTS
        and tensor.data_type in _BITS
    ]


def pair(plain: Sequence[Weight], quantized: Sequence[Weight]) -> list[Pair]:
    """Every float32 tensor of `plain` with the tensor of `quantized` that comes from it."""
    left = list(quantized)
    found = []
    for weight in plain:
        if weight.integer or weight.bits < 32:
            continue
        one = _matched(weight, left)
        if one.stored is not None:
            left = [other for other in left if other is not one.stored]
        found.append(one)
    return found


def _weight(name: str, tensor: TensorProto) -> Weight:
    kind = tensor.data_type
    integer = kind not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    return Weight(name, _BITS[kind], integer, numpy_helper.to_array(tensor).astype(np.float32))


def _matched(weight: Weight, others: Sequence[Weight]) -> Pair:
    """The best candidate: its axes may be swapped, as a Gemm stores them the other way round."""
    best: Weight | None = None
    likeness, oriented = SAME, weight.values
    for other in others:
        for values in _orientations(other, weight.shape):
            close = _likeness(weight.values, values)
            if close > likeness:
                best, likeness, oriented = other, close, values
    if best is None:  # an outlier may have rounded all other values to zero
        best, oriented = _namesake(weight, others)
    if best is None:
        return Pair(weight, None)
    rebuilt = _rebuilt(weight.values, oriented, best)
    lost = float(np.sqrt(np.mean((weight.values - rebuilt) ** 2)))
    size = float(np.sqrt(np.mean(weight.values**2))) or 1.0
    return Pair(weight, best, min(lost / size, 1.0), rebuilt)


def _namesake(weight: Weight, others: Sequence[Weight]) -> tuple[Weight | None, Floats]:
    """The tensor of that shape whose name begins with the weight's, as quantizers name it."""
    for other in others:
        found = _orientations(other, weight.shape)
        if found and other.name.startswith(weight.name):
            return other, found[0]
    return None, weight.values


def _orientations(other: Weight, shape: tuple[int, ...]) -> list[Floats]:
    found = [other.values] if other.shape == shape else []
    if other.shape == shape[::-1] and len(shape) == 2:
        found.append(other.values.T)
    return found


def _likeness(weight: Floats, values: Floats) -> float:
    """Correlation on a sample spread over the whole tensor; 0 where one of them is constant."""
    step = max(1, weight.size // SAMPLED) | 1  # odd: never all from one column
    ours, theirs = weight.reshape(-1)[::step], np.ascontiguousarray(values).reshape(-1)[::step]
    spread = float(ours.std() * theirs.std())
    if not np.isfinite(spread) or spread <= 0:
        return 0.0
    return float(np.mean((ours - ours.mean()) * (theirs - theirs.mean())) / spread)


def _rebuilt(weight: Floats, values: Floats, stored: Weight) -> Floats:
    """`values` scaled and shifted, by the axis whose channels have the scales: the one that leaves
    less unexplained."""
    if not stored.integer:
        return values
    fits = [_fit(weight, values, axis) for axis in (0, weight.ndim - 1)]
    return min(fits, key=lambda fit: float(np.sum((weight - fit) ** 2)))


def _fit(weight: Floats, values: Floats, axis: int) -> Floats:
    """Least squares of weight = scale * value + shift, for each channel of `axis`."""
    others = tuple(index for index in range(weight.ndim) if index != axis)
    center, middle = weight.mean(others, keepdims=True), values.mean(others, keepdims=True)
    covariance = ((weight - center) * (values - middle)).mean(others, keepdims=True)
    spread = ((values - middle) ** 2).mean(others, keepdims=True)
    scale = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)
    return (center + scale * (values - middle)).astype(np.float32)
