"""Checks of attributes: values that are safe for shape inference, and mean the same to ONNX
Runtime."""

from __future__ import annotations

import re

from onnx import AttributeProto

from grader.measure.costs.parsing import Node
from grader.measure.costs.refusals import refuse
from grader.measure.costs.storage import FREE_CHARACTERS, MAX_RANK
from grader.measure.costs.view import Value, View

_MAX = 2**31
_FLAGS = (
    *("saturate", "keepdims", "noop_with_empty_axes", "ceil_mode", "transA", "transB", "allowzero"),
    *("onesided", "inverse", "layout", "exclusive", "reverse", "fmod", "is_causal", "upper"),
)
_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")
_AT_LEAST_ONE = (
    *("strides", "dilations", "kernel_shape", "group", "blocksize", "hidden_size", "size"),
    *("num_groups", "q_num_heads", "kv_num_heads"),
)


def check_attributes(
    node: Node, attributes: dict[str, AttributeProto], inputs: tuple[Value | None, ...]
) -> None:
    """Refuse values on which onnx's inference would divide by zero, overflow or read out of bounds.

    The inference is written in C++ and trusts some attributes: a GatherND with batch_dims -100
    crashes it, an Einsum with an odd character in its equation never ends.
    """
    if node.op == "Constant":
        return
    ranks = [len(x.shape) for x in inputs if x is not None]
    for name, attribute in attributes.items():
        least, most = _range_of(node, name, ranks)
        text = attribute.s.decode("latin-1")
        if not (text.isascii() and len(text) <= FREE_CHARACTERS):
            refuse("attribute", op=node.op, attribute=name, value=text)
        if name == "equation" and not _EQUATION.fullmatch(text.replace(" ", "")):
            refuse("attribute", op=node.op, attribute=name, value=text)
        numbers = [*attribute.ints, *([attribute.i] if attribute.HasField("i") else [])]
        for number in numbers:
            if not least <= number <= most:
                refuse("attribute", op=node.op, attribute=name, value=number)


def check_inference_only(view: View) -> None:
    """Refuse operators in training mode."""
    if view.op == "BatchNormalization" and view.integer("training_mode", 0):
        refuse("attribute", op=view.op, attribute="training_mode", value=1)
    mode = view.optional(2) if view.op == "Dropout" else None
    if mode is not None and (mode.data is None or mode.data.any()):
        refuse("random", op="Dropout (training_mode)")


def check_same_meaning(view: View) -> None:
    """Refuse what onnx and ONNX Runtime understand differently: other shapes would run than those
    that are counted."""
    given, automatic = view.attributes, view.text("auto_pad", "NOTSET")
    if automatic not in ("NOTSET", "") and view.integers("pads"):
        refuse("attribute", op=view.op, attribute="auto_pad", value=f"{automatic}, with pads")
    dilated = any(dilation != 1 for dilation in view.integers("dilations"))
    if dilated and automatic.startswith("SAME"):
        refuse("attribute", op=view.op, attribute="auto_pad", value=f"{automatic}, dilated")
    if view.op == "PRelu":
        x, slope = view.input(0).shape, view.input(1).shape
        broadcast = (s in (1, size) for s, size in zip(reversed(slope), reversed(x), strict=False))
        if len(slope) > len(x) or not all(broadcast):
            view.misfit(f"slope {slope} for {x}")
    if view.op == "ConvTranspose" and (automatic.startswith("SAME") or "output_shape" in given):
        refuse("attribute", op=view.op, attribute="auto_pad or output_shape", value="set")
    if view.integer("ceil_mode", 0):
        _check_ceil_mode(view, automatic)
    backwards = view.op == "Slice" and view.optional(4) is not None and (view.known(4) < 0).any()
    if backwards and (view.known(2) >= _MAX - 1).any():
        view.misfit("a negative step towards infinity")


def _check_ceil_mode(view: View, automatic: str) -> None:
    """ONNX Runtime drops a last window that would start in the right padding; onnx keeps it."""
    if automatic not in ("NOTSET", ""):
        refuse("attribute", op=view.op, attribute="ceil_mode", value=f"1, {automatic}")
    sizes, outputs = view.input(0).shape[2:], view.out.shape[2:]
    strides = view.integers("strides") or (1,) * len(sizes)
    pads = view.integers("pads") or (0,) * len(sizes)
    for size, output, stride, pad in zip(sizes, outputs, strides, pads, strict=False):
        if (output - 1) * stride >= size + pad:
            view.misfit("with ceil_mode the last window lies outside the input")


def _range_of(node: Node, attribute: str, ranks: list[int]) -> tuple[int, int]:
    """Least and greatest allowed value of an integer attribute."""
    rank = max(ranks[0], 1) if ranks else 1
    if attribute in _AT_LEAST_ONE:
        return 1, _MAX
    if attribute in _FLAGS:
        return 0, 1
    if attribute == "pads":
        return 0, _MAX
    if attribute == "batch_dims":
        return 0, min(ranks, default=0)
    if attribute == "num_outputs":
        return len(node.outputs), len(node.outputs)
    if attribute == "axis" and node.op in ("QuantizeLinear", "DequantizeLinear"):
        return -MAX_RANK, MAX_RANK  # ignored for a scale of one number
    if attribute in ("axis", "axes"):
        extra = node.op in ("Flatten", "OneHot")
        return -rank - extra, rank - 1 + extra
    if attribute == "perm":
        return 0, rank - 1
    return -_MAX, _MAX
