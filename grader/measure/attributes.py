"""Nodes that fit the definition of their operator, with attributes in sensible ranges."""

from __future__ import annotations

import re

import onnx
from onnx import AttributeProto

from grader.measure.inline import Node
from grader.measure.refusals import refuse
from grader.measure.storage import FREE_CHARACTERS, MAX_RANK
from grader.measure.view import Value, View

_MAX = 2**31
_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")
_AT_LEAST_ONE = (
    *("strides", "dilations", "kernel_shape", "group", "blocksize", "hidden_size", "size"),
    *("num_groups", "q_num_heads", "kv_num_heads"),
)


def check_nodes(nodes: list[Node], opset: int) -> None:
    """Check arity and attributes of every node against its definition in ai.onnx."""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {"": opset}
    for node in nodes:
        try:
            onnx.checker.check_node(node.proto, context)
        except onnx.checker.ValidationError as error:
            refuse("invalid_node", op=node.op, name=node.name, why=first_line(error))


def check_attributes(
    node: Node, attributes: dict[str, AttributeProto], inputs: tuple[Value | None, ...]
) -> None:
    """Refuse values on which onnx's inference would divide by zero, overflow or read astray.

    It is written in C++ and trusts some attributes: a GatherND with batch_dims -100 crashes it,
    an Einsum with an odd character in its equation never ends.
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
    """Refuse operators that are told to behave as in training."""
    if view.op == "BatchNormalization" and view.integer("training_mode", 0):
        refuse("attribute", op=view.op, attribute="training_mode", value=1)
    mode = view.optional(2) if view.op == "Dropout" else None
    if mode is not None and (mode.data is None or mode.data.any()):
        refuse("random", op="Dropout (training_mode)")


def first_line(error: BaseException) -> str:
    """What an error of onnx says, without its trace."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _range_of(node: Node, attribute: str, ranks: list[int]) -> tuple[int, int]:
    """Least and greatest sensible value of an integer attribute."""
    rank = max(ranks[0], 1) if ranks else 1
    if attribute in _AT_LEAST_ONE:
        return 1, _MAX
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
