"""Multiplications that only quantize activations and scale them back.

An integer model multiplies each activation by a scale and rounds it before an integer operator,
and multiplies the operator's results by scales after it. A float model does neither, so these
multiplications are counted on their own (Cost.requantizing) and are not in the MACs, as long as
they do nothing else:

- QuantizeLinear and DynamicQuantizeLinear, whose numbers go, moved or pooled, to integer operators
  or to a DequantizeLinear with the same scale, zero point and axis, and nowhere else;
- that DequantizeLinear;
- the scaling of results in QLinearConv and QLinearMatMul, and one Mul or DequantizeLinear with
  constant or dynamic scales after MatMulInteger and ConvInteger;
- DequantizeLinear of rows that were looked up in a quantized table.

Otherwise a scale would be a free product, and a dynamic scale a free maximum of a tensor.
`follow` is called for each node at run time, in order, and leaves a trace on its outputs.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from grader.measure.costs.storage import FOLDABLE_ELEMENTS
from grader.measure.costs.view import Cost, Quantized, Trace, Value, View

_MOVING = (
    "Identity Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Expand Tile Pad "
    "MaxPool GlobalMaxPool DepthToSpace SpaceToDepth Gather Cast"
)
MOVING = frozenset(_MOVING.split())
"""Operators after which quantized numbers have the scale that they had before."""
_ANY = object()
"""The scale of numbers in a stored table: any may be meant."""
_DYNAMIC_PASSES = 3
"""Largest, least and scaled: what DynamicQuantizeLinear computes of each number."""

Pending = tuple[Quantized, Cost]
"""What decides about a cost, and the cost if it turns out that it does other work."""


def follow(view: View, cost: Cost) -> tuple[Cost, Pending | None]:
    """The cost of a node, where possible as requantizing, and what may still change that."""
    size = view.out.size
    if view.op in ("QuantizeLinear", "DynamicQuantizeLinear"):
        return _quantized(view, cost)
    if view.op in ("QLinearConv", "QLinearMatMul"):
        return _scaled_inside(view, cost)
    if view.op == "DequantizeLinear" and _is_scaled_back(view):
        return Cost(0, 0, size), None
    if view.op == "Mul" and (done := _product_scaled(view)):
        return (Cost(0, 0, size) if done else cost), None
    _pass_on(view)
    return cost, None


def mark(values: Iterable[Value | None]) -> None:
    """Quantized numbers, or their scales, are used for other work."""
    for value in values:
        if value is not None and value.trace is not None and value.trace.role != "product":
            for one in value.trace.of:
                one.other_work = True


def _quantized(view: View, cost: Cost) -> tuple[Cost, Pending | None]:
    mark(view.given)
    dynamic = view.op == "DynamicQuantizeLinear"
    if not dynamic and not all(value.constant for value in view.given[1:]):
        return cost, None
    one = Quantized(object() if dynamic else _scale(view, 1, 2))
    for value, role in zip(view.outputs, ("codes", "scale", "zero"), strict=False):
        if value is not None:
            value.trace = Trace(role, (one,))  # type: ignore[arg-type]
    size = view.input(0).size
    charged = Cost(0, size * (_DYNAMIC_PASSES if dynamic else 1) * view.width)
    return Cost(0, 0, size), (one, charged)


def _scaled_inside(view: View, cost: Cost) -> tuple[Cost, Pending | None]:
    for first in (0, 3):
        value = view.input(first)
        if not value.constant and not _fits(value, view, first + 1, first + 2):
            mark([value])
    size, scales = view.out.size, view.inputs[6:8]
    charged = Cost(cost.linear, cost.elementwise + size)
    if not all(value is None or value.constant for value in scales):
        return charged, None
    one = Quantized(_scale(view, 6, 7))
    view.out.trace = Trace("codes", (one,))
    return Cost(cost.linear, cost.elementwise, size), (one, charged)


def _is_scaled_back(view: View) -> bool:
    x, scale = view.input(0), view.input(1)
    if x.trace is not None and x.trace.role == "product" and scale.constant:
        return True
    if _fits(x, view, 1, 2):
        return True
    mark(view.given)
    return False


def _fits(value: Value, view: View, scale: int, zero: int) -> bool:
    """Whether `value` holds numbers that were quantized with these inputs of the node."""
    trace = value.trace
    if trace is None or trace.role != "codes":
        return False
    given = view.input(scale).trace
    if given is not None:
        point = view.optional(zero)
        known = point is None or (point.trace is not None and point.trace.role == "zero")
        return known and given.role == "scale" and set(map(id, given.of)) == set(map(id, trace.of))
    wanted = _scale(view, scale, zero)
    return all(one.scale is _ANY or one.scale == wanted for one in trace.of)


def _product_scaled(view: View) -> bool | None:
    """True where a Mul scales an integer product or a dynamic scale; None where it is no such."""
    a, b = view.input(0), view.input(1)
    for one, other in ((a, b), (b, a)):
        if one.trace is None:
            continue
        same = one.size == view.out.size
        if one.trace.role == "scale" and other.constant:
            view.out.trace = one.trace
            return True
        if one.trace.role == "product" and same:
            scale = other.trace
            ours = set(map(id, one.trace.of))
            dynamic = scale is not None and scale.role == "scale" and set(map(id, scale.of)) <= ours
            if other.constant or dynamic:
                return True
    return None


def _pass_on(view: View) -> None:
    """Give the outputs the trace of the inputs, or mark them."""
    traced = [value for value in view.given if value.trace is not None]
    if view.op in ("MatMulInteger", "ConvInteger"):
        of = tuple(one for v in view.inputs[:2] if v is not None and v.trace for one in v.trace.of)
        mark(v for v in view.inputs[:2] if v is not None and v.trace and v.trace.role != "codes")
        points = [v for v in view.inputs[2:] if v is not None and not v.constant]
        mark(v for v in points if v.trace is None or v.trace.role != "zero")
        view.out.trace = Trace("product", of) if of else None
        return
    looked_up = view.op == "Gather" and not view.input(1).constant
    if looked_up and view.input(0).constant:
        view.out.trace = Trace("codes", (Quantized(_ANY),))
        return
    if not traced:
        return
    roles = {value.trace.role for value in traced if value.trace is not None}
    data = [value for value in view.given if not value.constant]
    moves = view.op in MOVING and not looked_up and not (view.op == "Cast" and roles == {"codes"})
    biased = view.op == "Add" and roles == {"product"}
    if not (moves or biased) or len(traced) < len(data) or len(roles) > 1:
        mark(view.given)
        return
    scales = [one.scale for value in traced if value.trace is not None for one in value.trace.of]
    if any(scale != scales[0] for scale in scales):
        mark(view.given)
        return
    of = tuple({id(one): one for v in traced if v.trace is not None for one in v.trace.of}.values())
    for output in view.outputs:
        if output is not None:
            output.trace = Trace(next(iter(roles)), of)


def _scale(view: View, scale: int, zero: int) -> object:
    """What the scale and zero point of a node come to: their contents, where stored and small."""

    def content(value: Value | None) -> object:
        if value is None or value.stored is None or value.size > FOLDABLE_ELEMENTS:
            return None if value is None else id(value)
        return onnx.numpy_helper.to_array(value.stored).tobytes()

    settings = (view.integer("axis", 1), view.integer("block_size", 0))
    one_number = view.input(scale).size == 1  # then the axis means nothing
    return content(view.input(scale)), content(view.optional(zero)), one_number or settings
