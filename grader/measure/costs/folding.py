"""Values of small constants, as far as shapes are computed from them.

Only operators of shape arithmetic are here, on bool, int32, int64, float32 and float64, with
the semantics of ONNX Runtime (integer division truncates). Anything else yields None: its value
is unknown, and a shape that needs it is refused later. Results are checked against the inferred
shape and type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import AttributeProto

from grader.measure.costs.storage import DTYPES
from grader.measure.costs.view import View

Arrays = Sequence[np.ndarray]
Fold = Callable[[View, Arrays], np.ndarray | None]

_SAFE = 2**31
"""Sizes beyond this are not handed to shape inference, whose arithmetic could overflow."""


def fold(view: View) -> list[np.ndarray | None]:
    """The value of every output of a constant node, or None where it is not computed."""
    unknown: list[np.ndarray | None] = [None] * len(view.outputs)
    if view.op == "Size":
        return [np.asarray(view.input(0).size, np.int64)]
    if view.op == "Shape":
        shape = view.input(0).shape
        start, end = view.integer("start", 0), view.integer("end", len(shape))
        return [np.asarray(shape[start:end], np.int64)]
    if view.op not in _FOLDS or any(value.data is None for value in view.given):
        return unknown
    arrays = [value.data for value in view.given if value.data is not None]
    if len(view.given) != len(view.inputs) and view.op not in ("Slice", "Clip"):
        return unknown
    try:
        with np.errstate(all="ignore"):
            result = _FOLDS[view.op](view, arrays)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError):
        return unknown
    out = view.outputs[0]
    if result is None or out is None or result.shape != out.shape:
        return unknown
    expected = onnx.helper.tensor_dtype_to_np_dtype(out.dtype)
    return [result if result.dtype == expected else None, *unknown[1:]]


def safe_for_inference(op: str, data: np.ndarray) -> bool:
    """False for numbers on which shape inference could overflow, or round differently."""
    if op in ("Slice", "Gather", "GatherElements", "GatherND", "Where", "Equal"):
        return True
    if data.dtype == bool or not data.size:
        return True
    if op == "Range" and np.any(data != np.trunc(data)):
        return False  # 1 to -0.1 in steps of -0.1 has 11 or 12 terms, depending on rounding
    return bool(np.all(np.isfinite(data)) and np.abs(data.astype(np.float64)).max() <= _SAFE)


def constant_value(attribute: AttributeProto) -> np.ndarray | None:
    """The array of a Constant node given by plain numbers; None for other attributes."""
    if attribute.name in ("value_int", "value_ints"):
        return np.asarray(onnx.helper.get_attribute_value(attribute), np.int64)
    if attribute.name in ("value_float", "value_floats"):
        return np.asarray(onnx.helper.get_attribute_value(attribute), np.float32)
    return None


def _cast(view: View, arrays: Arrays) -> np.ndarray | None:
    code = view.integer("to", 0)
    if code not in DTYPES or not DTYPES[code].foldable:
        return None
    target = onnx.helper.tensor_dtype_to_np_dtype(code)
    x = arrays[0]
    if target.kind == "i" and x.dtype.kind == "f":
        limit = 2.0 ** (8 * target.itemsize - 1)
        if not np.all(np.isfinite(x)) or np.any(np.abs(np.trunc(x)) >= limit):
            return None
    return x.astype(target)


def _divide(view: View, arrays: Arrays) -> np.ndarray | None:
    a, b = arrays
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if np.any(b == 0):
        return None
    quotient = np.abs(a) // np.abs(b)
    return np.asarray(np.sign(a) * np.sign(b) * quotient).astype(a.dtype)


def _modulo(view: View, arrays: Arrays) -> np.ndarray | None:
    a, b = arrays
    if np.any(b == 0):
        return None
    return np.asarray(np.fmod(a, b) if view.integer("fmod", 0) else np.mod(a, b))


def _slice(view: View, arrays: Arrays) -> np.ndarray | None:
    if any(value is None for value in view.inputs[:3]):
        return None
    data, starts, ends = (view.known(index) for index in range(3))
    axes = view.known(3) if view.optional(3) is not None else np.arange(len(starts))
    steps = view.known(4) if view.optional(4) is not None else np.ones(len(starts), np.int64)
    index: list[slice] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        beyond = step < 0 and end < -data.shape[axis]
        index[int(axis)] = slice(int(start), None if beyond else int(end), int(step))
    return data[tuple(index)]


def _reduce(function: Callable[..., np.ndarray]) -> Fold:
    def apply(view: View, arrays: Arrays) -> np.ndarray | None:
        if arrays[0].dtype.kind == "f":
            return None  # the result depends on the order of additions
        axes = view.integers("axes") or tuple(int(a) for x in arrays[1:2] for a in x.reshape(-1))
        if not axes and view.integer("noop_with_empty_axes", 0):
            return arrays[0]
        keep = bool(view.integer("keepdims", 1))
        return np.asarray(function(arrays[0], axis=axes or None, keepdims=keep), arrays[0].dtype)

    return apply


def _fill(view: View, arrays: Arrays) -> np.ndarray | None:
    if "value" not in view.attributes:
        return np.zeros(view.out.shape, np.float32)
    value = onnx.numpy_helper.to_array(view.attributes["value"].t)
    return np.full(view.out.shape, value.reshape(-1)[0], value.dtype)


def _range(view: View, arrays: Arrays) -> np.ndarray | None:
    start, _, delta = (array.reshape(()) for array in arrays)
    if start.dtype.kind != "i":
        return None
    return np.asarray(start + delta * np.arange(view.out.size)).astype(start.dtype)


def _plain(function: Callable[..., object]) -> Fold:
    """A function of the inputs alone."""
    return lambda view, arrays: np.asarray(function(*arrays))


_FOLDS: dict[str, Fold] = {
    "Identity": lambda view, arrays: arrays[0],
    "Cast": _cast,
    **dict.fromkeys(
        ("Reshape", "Squeeze", "Unsqueeze", "Flatten"),
        lambda view, arrays: arrays[0].reshape(view.out.shape),
    ),
    "Transpose": lambda view, arrays: np.transpose(arrays[0], view.integers("perm") or None),
    "Concat": lambda view, arrays: np.concatenate(arrays, axis=view.integer("axis", 0)),
    "Slice": _slice,
    "Gather": lambda view, arrays: np.take(arrays[0], arrays[1], axis=view.integer("axis", 0)),
    "Expand": lambda view, arrays: np.broadcast_to(arrays[0], view.out.shape).copy(),
    "Tile": _plain(np.tile),
    "Where": _plain(np.where),
    "ConstantOfShape": _fill,
    "Range": _range,
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Div": _divide,
    "Mod": _modulo,
    "Equal": _plain(np.equal),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "And": _plain(np.logical_and),
    "Or": _plain(np.logical_or),
    "Not": _plain(np.logical_not),
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Floor": _plain(np.floor),
    "Ceil": _plain(np.ceil),
    "Sqrt": _plain(np.sqrt),
    "Max": lambda view, arrays: np.asarray(np.max(np.broadcast_arrays(*arrays), axis=0)),
    "Min": lambda view, arrays: np.asarray(np.min(np.broadcast_arrays(*arrays), axis=0)),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
}
