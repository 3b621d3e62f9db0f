"""What quantisation did to the weights: their values, outliers, and the error of each.

    found = inspect_quantization(student_ptq, limits)
    spread(values_of(student_ptq, found.weights[0]))     # outliers of one weight
    quantization_errors(student, student_ptq, limits)    # against the float model

Values are read from the file; nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.measure.costs.graph import Counted, GraphLimits, count
from grader.measure.costs.wiring import Wiring
from grader.measure.quantization import Quantization, Scales, Weight, quantization_of

OUTLIER_QUANTILE = 0.999
MAX_HISTOGRAM_BINS = 256


@dataclass(frozen=True)
class Spread:
    """How a weight's values lie, as one scale for all of them sees it."""

    largest: float
    """max |w|"""
    quantile: float
    """The 99.9% quantile of |w|."""

    @property
    def outlier_ratio(self) -> float:
        """max |w| over the quantile: bits that a few values take from all the others are
        log2 of it. About 1.3 for normal weights of ten thousand elements."""
        return self.largest / self.quantile if self.quantile > 0 else float("inf")


@dataclass(frozen=True)
class Histogram:
    """Shares of values between edges."""

    edges: NDArray[np.float64]
    """(bins + 1,)"""
    shares: NDArray[np.float64]
    """(bins,), they add up to 1"""


@dataclass(frozen=True)
class WeightError:
    """One weight of a quantised model beside the same weight of the float model."""

    name: str
    """In the float model."""
    quantised: Weight
    relative: float
    """Frobenius norm of the difference over that of the float weight."""
    spread: Spread
    """Of the float weight."""


class Values:
    """The numbers that the weights of one model stand for."""

    def __init__(self, counted: Counted) -> None:
        self._wiring = Wiring(counted)
        self.quantization: Quantization = quantization_of(counted)

    @classmethod
    def read(cls, model: bytes, limits: GraphLimits) -> Values:
        """Raises grader.measure.costs.graph.Refused as `inspect`."""
        return cls(count(model, limits))

    def of(self, weight: Weight) -> NDArray[np.float32] | None:
        """As the model computes with it, in the shape in which it is stored; None for integers
        whose scale is not stored."""
        stored = self._wiring.value(weight.name)
        if stored is None:
            return None
        if not weight.quantised or weight.dtype.startswith("float"):
            return np.asarray(stored, np.float32)
        if weight.scales is None or weight.scales.scale is None:
            return None
        return _dequantised(np.asarray(stored).astype(np.float32), weight.scales)

    def stored(self, weight: Weight) -> NDArray[np.float32] | None:
        """The numbers in the file: codes of a quantised weight."""
        raw = self._wiring.value(weight.name)
        return None if raw is None else np.asarray(raw).astype(np.float32)


def spread(values: NDArray[np.float32]) -> Spread:
    """Largest value and quantile of |values|."""
    size = np.abs(np.asarray(values, np.float64)).ravel()
    if not size.size:
        return Spread(0.0, 0.0)
    return Spread(float(size.max()), float(np.quantile(size, OUTLIER_QUANTILE)))


def histogram(values: NDArray[np.float32], bins: int = 64) -> Histogram:
    """Shares of `values`; codes of few bits get a bin each."""
    finite = np.asarray(values, np.float64).ravel()
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return Histogram(np.array([0.0, 1.0]), np.array([0.0]))
    whole = bool((finite == np.round(finite)).all())
    if whole and np.ptp(finite) < MAX_HISTOGRAM_BINS:
        edges = np.arange(finite.min() - 0.5, finite.max() + 1.0)
    else:
        edges = np.histogram_bin_edges(finite, bins)
    counts, edges = np.histogram(finite, edges)
    return Histogram(edges, counts / finite.size)


def quantization_errors(
    model: bytes, quantised: bytes, limits: GraphLimits
) -> tuple[WeightError, ...]:
    """Errors of the weights of `quantised` that `model` has too, the largest first.

    A weight is the same when its name is (with the endings that quantisers append), or when it is
    the only one of its shape on both sides. Others are left out.
    """
    before, after = Values.read(model, limits), Values.read(quantised, limits)
    pairs = _pairs(before.quantization.weights, after.quantization.weights)
    found = []
    for name, (old, new) in pairs.items():
        ours, theirs = before.of(old), after.of(new)
        if ours is None or theirs is None:
            continue
        theirs = theirs if theirs.shape == ours.shape else theirs.T
        norm = float(np.linalg.norm(ours.ravel().astype(np.float64)))
        error = float(np.linalg.norm((theirs.astype(np.float64) - ours).ravel()))
        found.append(WeightError(name, new, error / norm if norm else 0.0, spread(ours)))
    return tuple(sorted(found, key=lambda each: -each.relative))


def _dequantised(codes: NDArray[np.float32], scales: Scales) -> NDArray[np.float32] | None:
    """(codes - zero point) * scale, along the axis, or block by block (ai.onnx
    DequantizeLinear)."""
    assert scales.scale is not None
    scale, zero = scales.scale, scales.zero_point
    zeros = np.zeros_like(scale) if zero is None else zero.astype(np.float32)
    axis = scales.axis % codes.ndim
    try:
        if scales.granularity == "tensor":
            scale, zeros = scale.reshape(()), zeros.reshape(-1)[:1].reshape(())
        elif scales.block:
            length = codes.shape[axis]
            scale, zeros = (
                np.take(np.repeat(each, scales.block, axis), range(length), axis)
                for each in (scale, np.broadcast_to(zeros, scale.shape))
            )
        elif scale.ndim < 2:
            around = [1] * codes.ndim
            around[axis] = -1
            scale, zeros = scale.reshape(around), zeros.reshape(around if zeros.size > 1 else ())
        return ((codes - zeros) * scale).astype(np.float32)
    except (ValueError, IndexError):  # shapes that broadcast in ways of their own
        return None


_ENDINGS = ("_quantized", "_int8", "_uint8", "_int4", "_fp16", "_DequantizeLinear", "_q")


def _pairs(
    before: Sequence[Weight], after: Sequence[Weight]
) -> Mapping[str, tuple[Weight, Weight]]:
    """The same weight in both models, by the name in the first."""
    theirs = {_plain(weight.name): weight for weight in after}
    pairs = {w.name: (w, theirs[w.name]) for w in before if w.name in theirs}
    pairs = {name: pair for name, pair in pairs.items() if _fit(*pair)}
    left = [w for w in before if w.name not in pairs]
    taken = {new.name for _, new in pairs.values()}
    free = [w for w in after if w.name not in taken]
    for old in left:
        same = [w for w in free if _fit(old, w)]
        if len(same) == 1 and sum(_fit(other, same[0]) for other in left) == 1:
            pairs[old.name] = (old, same[0])
    return pairs


def _plain(name: str) -> str:
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _fit(old: Weight, new: Weight) -> bool:
    """Equal shapes, or transposed as a Gemm is made into a MatMul."""
    return new.shape in (old.shape, old.shape[::-1])
