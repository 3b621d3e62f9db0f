"""How a model stores its weights: types, scales, and which of them are quantized.

    found = inspect_quantization(model, GraphLimits(length=32))
    found.weights          # every matrix and table: dtype, bits, scheme, granularity, component
    found.bytes_by         # {"embedding": ..., "attention": ..., "rest": ...}, adds up to the bytes
    require_really_stored("student_ptq", found)

Schemes, as ONNX Runtime's documentation names them ("Quantize ONNX models"):

- `dynamic`: an integer product whose other operand is quantized at run time
  (DynamicQuantizeLinear);
- `static`: the other operand is quantized with constants from calibration (QLinear operators, or
  QuantizeLinear and DequantizeLinear around a float operator, QDQ);
- `weight_only`: stored in few bits, computed in float after DequantizeLinear or Cast;
- `float`: stored in the type of the computation, float16 included;
- `on_load`: stored in 32 bits and quantized only when the model is loaded, so that nothing is saved
  (a QuantizeLinear before the DequantizeLinear, or integers of 32 bits).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from grader.measure.costs.components import COMPONENTS, Component, Use, Wiring, components
from grader.measure.costs.graph import GraphLimits, GraphReport, count
from grader.measure.costs.parsing import Node
from grader.measure.costs.storage import DTYPES
from grader.text import EMPTY, Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

Scheme = Literal["float", "weight_only", "dynamic", "static", "on_load"]
Granularity = Literal["tensor", "channel", "block"]

LEAST_ELEMENTS = 16
"""Smaller matrices are no weights: they change nothing."""


@dataclass(frozen=True)
class Scales:
    """Shape and zero points of the scales of one stored tensor."""

    shape: tuple[int, ...]
    block: int
    """Elements that share a scale in block-wise quantization; 0 without blocks."""
    zero_point: NDArray[np.generic] | None
    """None for 0, and where it is computed."""

    @property
    def granularity(self) -> Granularity:
        if self.block:
            return "block"
        return "tensor" if int(np.prod(self.shape)) == 1 else "channel"


@dataclass(frozen=True)
class Weight:
    """One stored matrix or table, of at least two axes that are longer than 1."""

    name: str
    op: str
    """The ai.onnx operator that uses it."""
    dtype: str
    bits: int
    shape: tuple[int, ...]
    nbytes: int
    scheme: Scheme
    component: Component
    scales: Scales | None
    """None for floats, and where they were not found."""

    @property
    def quantized(self) -> bool:
        """Whether it takes fewer bits in the file than float16."""
        return self.bits <= 8

    @property
    def granularity(self) -> Granularity | None:
        return self.scales.granularity if self.scales else None

    @property
    def symmetric(self) -> bool | None:
        """Whether its zero point is the middle of its type's range; None when unknown."""
        if self.scales is None or not self.quantized:
            return None
        zero = self.scales.zero_point
        middle = 2 ** (self.bits - 1) if self.dtype.startswith("uint") else 0
        return middle == 0 if zero is None else bool((zero == middle).all())


@dataclass(frozen=True)
class Quantization:
    """How one model stores its weights."""

    report: GraphReport
    weights: tuple[Weight, ...]
    """The largest first."""
    bytes_by: Mapping[Component, int]
    """All stored bytes, biases and scales included; adds up to `report.bytes`."""

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """The schemes that occur, the one that stores most bytes first."""
        found: Counter[Scheme] = Counter()
        for weight in self.weights:
            found[weight.scheme] += weight.nbytes
        return tuple(scheme for scheme, _ in found.most_common())


def inspect_quantization(model: bytes, limits: GraphLimits | None = None) -> Quantization:
    """Read how `model` stores its weights. Raises Refused as graph.inspect does."""
    counted = count(model, limits or GraphLimits())
    wiring = Wiring(counted)
    places = components(wiring)
    weights = [
        _weight(wiring, name, tensor, places)
        for name, tensor in wiring.tensors.items()
        if _is_weight(wiring, name, tensor)
    ]
    bytes_by: dict[Component, int] = dict.fromkeys(COMPONENTS, 0)
    for index, items in counted.stored.items():
        bytes_by[places.get(index, "rest")] += sum(item.nbytes for item in items)
    bytes_by["rest"] += counted.report.bytes - sum(bytes_by.values())
    ordered = tuple(sorted(weights, key=lambda weight: -weight.nbytes))
    return Quantization(counted.report, ordered, bytes_by)


def require_really_stored(name: str, found: Quantization) -> None:
    """Raise Rejected when weights of `name`.onnx are stored in 32 bits and quantized on load: the
    file is then as large as that of a float model."""
    weights = [weight for weight in found.weights if weight.scheme == "on_load"]
    if not weights:
        return
    first, more = quoted(weights[0].name), len(weights) - 1
    raise Rejected(
        "{name}.onnx stores the weight {first}{more} as {dtype} and quantizes it only when it is "
        "loaded, so the file is no smaller; store int8 and its scale (in onnxruntime.quantization "
        "leave AddQDQPairToWeight off).",
        name=name,
        first=first,
        more=Text(" and {n:,} more", n=more) if more else EMPTY,
        dtype=weights[0].dtype,
    )


def _is_weight(wiring: Wiring, name: str, tensor: onnx.TensorProto) -> bool:
    dtype = DTYPES[tensor.data_type]
    numbers = dtype.name not in ("bool", "int64", "uint64")
    matrix = sum(size > 1 for size in tensor.dims) > 1  # a row of scales is no matrix
    large = matrix and int(np.prod(tensor.dims)) >= LEAST_ELEMENTS
    scale = any(
        use.step.node.op in ("QuantizeLinear", "DequantizeLinear") and use.position > 0
        for use in wiring.uses.get(name, [])
    )
    return numbers and large and name in wiring.uses and not scale


def _weight(
    wiring: Wiring, name: str, tensor: onnx.TensorProto, places: Mapping[int, Component]
) -> Weight:
    dtype = DTYPES[tensor.data_type]
    trace = _Trace(wiring, name, integer=dtype.name.lstrip("u").startswith("int"))
    shape = tuple(tensor.dims)
    return Weight(
        name=name,
        op=trace.user.step.node.op,
        dtype=dtype.name,
        bits=dtype.bits,
        shape=shape,
        nbytes=dtype.nbytes(int(np.prod(shape))),
        scheme="on_load" if trace.integer and dtype.bits >= 32 else trace.scheme,
        component=places.get(trace.user.index, "rest"),
        scales=trace.scales,
    )


class _Trace:
    """The path from a stored tensor, through what is computed from it, to its operator."""

    def __init__(self, wiring: Wiring, name: str, *, integer: bool) -> None:
        self._wiring = wiring
        self.integer = integer
        self.scales: Scales | None = None
        self._on_load = self._few_bits = False
        self.user = self._follow(wiring.uses[name][0])

    @property
    def scheme(self) -> Scheme:
        if self._on_load:
            return "on_load"
        step, position = self.user.step, self.user.position
        if step.node.op in ("MatMulInteger", "ConvInteger"):
            other = self._wiring.producer(step.node.inputs[1 - min(position, 1)])
            return "dynamic" if other and other.node.op == "DynamicQuantizeLinear" else "static"
        if step.node.op in ("QLinearMatMul", "QLinearConv"):
            return "static"
        if not self.integer and not self._few_bits:
            return "float"
        return "static" if self._is_qdq() else "weight_only"

    def _follow(self, use: Use) -> Use:
        """The use of the tensor at run time; notes its scales and casts on the way."""
        zero = ""
        while True:
            node = use.step.node
            if node.op == "DequantizeLinear" and use.position == 0:
                self.scales = self.scales or self._dequantized(use)
                self._few_bits = True
            elif not use.step.constant:
                pass
            elif self.integer and self.scales is None and node.op in ("Sub", "Mul"):
                other = node.inputs[1 - use.position]
                zero = other if node.op == "Sub" else zero
                self.scales = self._scales(other, zero) if node.op == "Mul" else None
            elif not self.integer and _to_few_bits(node):
                self._on_load = True
            if not use.step.constant or not (after := self._wiring.uses.get(node.outputs[0])):
                break
            use = after[0]
        if self.scales is None and self.integer:
            self.scales = self._applied_later(use)
        return use

    def _applied_later(self, use: Use) -> Scales | None:
        """Scales that are applied after a look-up or an integer product."""
        node = use.step.node
        if node.op in ("QLinearMatMul", "QLinearConv") and use.position in (0, 3):
            return self._scales(node.inputs[use.position + 1], node.inputs[use.position + 2])
        zero = ""
        if node.op in ("MatMulInteger", "ConvInteger") and use.position < 2:
            zero = (*node.inputs, "", "")[use.position + 2]
        for _ in range(4):  # Cast, Sub of a zero point, Mul by the scale
            after = self._wiring.uses.get(use.step.node.outputs[0])
            if not after:
                return None
            use = after[0]
            op, inputs = use.step.node.op, use.step.node.inputs
            if op == "DequantizeLinear" and use.position == 0:
                return self._dequantized(use)
            if op == "Mul" and (scale := self._constant_factor(inputs[1 - use.position])):
                return self._scales(scale, zero)
            if op == "Sub" and use.position == 0:
                zero = inputs[1]
            elif op != "Cast":
                return None
        return None

    def _constant_factor(self, name: str) -> str | None:
        """`name`, or the constant that it is the product of with the scale of an activation."""
        if self._wiring.is_constant(name):
            return name
        made = self._wiring.producer(name)
        factors = made.node.inputs if made is not None and made.node.op == "Mul" else ()
        return next(filter(self._wiring.is_constant, factors), None)

    def _dequantized(self, use: Use) -> Scales:
        node = use.step.node
        _, scale, *zero = node.inputs
        attributes = {a.name: a.i for a in node.proto.attribute}
        return self._scales(scale, zero[0] if zero else "", attributes.get("block_size", 0))

    def _scales(self, scale: str, zero: str, block: int = 0) -> Scales:
        zeros = self._wiring.value(zero) if zero else None
        return Scales(self._wiring.shape(scale), block, zeros)

    def _is_qdq(self) -> bool:
        """Whether another operand of that operator passes QuantizeLinear and DequantizeLinear."""
        for position, name in enumerate(self.user.step.node.inputs):
            if position == self.user.position or self._wiring.is_constant(name):
                continue
            back = self._wiring.producer(name)
            if back is not None and back.node.op == "DequantizeLinear":
                there = self._wiring.producer(back.node.inputs[0])
                if there is not None and there.node.op == "QuantizeLinear":
                    return True
        return False


def _to_few_bits(node: Node) -> bool:
    """Whether a node turns floats into integers."""
    targets = [a.i for a in node.proto.attribute if a.name == "to"]
    integer = any(DTYPES[to].name.lstrip("u").startswith("int") for to in targets if to in DTYPES)
    return node.op == "QuantizeLinear" or (node.op == "Cast" and integer)
