"""Shapes and costs of every node of a flat graph, at one batch size.

Shapes come from onnx's own inference, one node at a time, from the shapes and small constants
found so far; what the file says about shapes of intermediate tensors and outputs is not read.
Attributes are checked before: inference trusts some of them, and ONNX Runtime understands some
differently.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto

from grader.measure.costs.folding import constant_value, fold, safe_for_inference
from grader.measure.costs.operators import COMBINING, COSTS
from grader.measure.costs.parsing import (
    Node,
    find_schema,
    first_line,
    flatten,
    read_model,
    standard_opset,
)
from grader.measure.costs.refusals import GraphLimits, refuse
from grader.measure.costs.requantizing import MOVING, Pending, follow, mark
from grader.measure.costs.storage import (
    DTYPES,
    FOLDABLE_ELEMENTS,
    FREE_CHARACTERS,
    MAX_RANK,
    checked_shape,
    dtype_of,
    small_array,
)
from grader.measure.costs.view import Cost, Credit, Value, View

_INFERENCE_ERRORS = (
    onnx.shape_inference.InferenceError,
    onnx.checker.ValidationError,
    RuntimeError,
    ValueError,
    IndexError,
)
_UNSUPPORTED = re.compile(r"has unsupported type: tensor\((\w+)\)")
_MAX = 2**31
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
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


@dataclass(frozen=True)
class Step:
    """One node with its cost (0 when it runs at load time) and the shape of its output."""

    node: Node
    cost: Cost
    constant: bool
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Walk:
    """Every node of a graph in order, and every tensor by its name."""

    steps: list[Step]
    values: dict[str, Value]

    @property
    def macs(self) -> int:
        return sum(step.cost.macs for step in self.steps)


def walk_file(model: bytes, batch: int, limits: GraphLimits) -> tuple[ModelProto, Walk]:
    """Parse the ONNX model in the bytes `model` and follow it at `batch`. Raises Refused."""
    parsed = read_model(model, limits)
    opset = standard_opset(parsed, limits)
    return parsed, walk(parsed.graph, flatten(parsed, limits), opset, batch, limits)


def walk(graph: GraphProto, nodes: list[Node], opset: int, batch: int, limits: GraphLimits) -> Walk:
    """Follow the graph at `batch`; raises Refused for what cannot be known or is too large."""
    values = {tensor.name: _stored(tensor) for tensor in graph.initializer}
    for sparse in graph.sparse_initializer:
        dtype = sparse.values.data_type
        values[sparse.values.name] = Value(dtype, tuple(sparse.dims), True)
    inputs = [info for info in graph.input if info.name not in values]
    ports = len(inputs) + len(graph.output)
    if ports > limits.max_inputs:
        refuse("many_inputs", found=ports, limit=limits.max_inputs)
    names = batch_names(graph)
    for info in inputs:
        values[info.name] = _input_value(info, batch, names, limits)
    walker = _Walker(opset, batch, limits)
    for node in nodes:
        walker.step(node, values)
    for info in graph.output:
        if info.name not in values:
            refuse("missing_output", name=info.name)
    return Walk(walker.finish(values[info.name] for info in graph.output), values)


def batch_names(graph: GraphProto) -> set[str]:
    """Names of the batch dimension: those of dynamic first axes of inputs."""
    stored = {tensor.name for tensor in graph.initializer}
    firsts = [
        info.type.tensor_type.shape.dim[0]
        for info in graph.input
        if info.name not in stored and info.type.tensor_type.shape.dim
    ]
    return {dim.dim_param for dim in firsts if dim.dim_param}


class _Walker:
    def __init__(self, opset: int, batch: int, limits: GraphLimits) -> None:
        self.opset = opset
        self.limits = limits
        self.max_bytes = limits.max_tensor_bytes * batch
        self.constant_bytes = 0
        self.constant_macs = 0
        self.steps: list[Step] = []
        self.pending: dict[int, Pending] = {}
        self.imports = [onnx.helper.make_opsetid("", opset)]

    def finish(self, outputs: Iterable[Value]) -> list[Step]:
        """All steps, after the quantized numbers have been followed to their last use."""
        mark(outputs)
        for index, (quantized, charged) in self.pending.items():
            if quantized.other_work:
                self.steps[index] = replace(self.steps[index], cost=charged)
        return self.steps

    def step(self, node: Node, values: dict[str, Value]) -> None:
        """Add the outputs of `node` to `values` and count it."""
        for name in node.inputs:
            if name and name not in values:
                refuse("missing_input", op=node.op, name=name)
        made = [name for name in node.outputs if name]
        for name in made:
            if name in values:
                refuse("duplicate", name=name)
        if len(set(made)) < len(made):
            refuse("duplicate", name=Counter(made).most_common(1)[0][0])
        inputs = tuple(values[name] if name else None for name in node.inputs)
        attributes = {attribute.name: attribute for attribute in node.proto.attribute}
        _check_attributes(node, attributes, inputs)
        constant = node.op in ("Shape", "Size") or all(x.constant for x in inputs if x is not None)
        outputs = self._outputs(node, inputs, constant)
        for output in filter(None, outputs if constant else ()):
            output.table = output.size > 1
        view = View(node.op, node.name, self.opset, attributes, inputs, outputs)
        if all(x is None for x in outputs) or not (view.given or node.op == "Constant"):
            refuse("invalid_node", op=node.op, name=node.name, why="no inputs or outputs")
        _check_operator(view)
        cost = self._count(view, constant)
        for name, value in zip(node.outputs, outputs, strict=True):
            if value is not None:
                values[name] = value
        self.steps.append(Step(node, cost, constant, view.out.shape))

    def _outputs(
        self, node: Node, inputs: tuple[Value | None, ...], constant: bool
    ) -> tuple[Value | None, ...]:
        if node.op == "Constant":
            return (_constant(node),)
        inferred = self._infer(node, inputs)
        outputs: list[Value | None] = []
        for name in node.outputs:
            if not name:
                outputs.append(None)
                continue
            dtype, dims = _known(inferred.get(name), name, node)
            shape = checked_shape(dims, DTYPES[dtype], self.max_bytes, name)
            if constant:
                self.constant_bytes += DTYPES[dtype].nbytes(prod(shape))
            elif not prod(shape):
                refuse("dimension", tensor=name, size=0)
            outputs.append(Value(dtype, shape, constant))
        if self.constant_bytes > self.limits.max_constant_bytes:
            refuse("constant_size", limit=self.limits.max_constant_bytes)
        return tuple(outputs)

    def _count(self, view: View, constant: bool) -> Cost:
        rule = COSTS[view.op]
        cost = rule.count(view)
        if constant:
            self.constant_macs += cost.macs
            if self.constant_macs > self.limits.max_constant_macs:
                refuse("constant_work", limit=self.limits.max_constant_macs)
            if view.op != "Constant" and view.out.size <= FOLDABLE_ELEMENTS:
                for value, data in zip(view.outputs, fold(view), strict=True):
                    if value is not None:
                        value.data = data
            return Cost()
        cost, pending = follow(view, cost)
        if pending is not None:
            self.pending[len(self.steps)] = pending
        moved = view.given if view.op in ("Concat", *COMBINING) else view.given[:1]
        moves = rule.kind in ("free", "selection") or cost.requantizing
        for value in filter(None, view.outputs):
            value.table = bool(moves) and any(x.table for x in moved)
            if view.op in MOVING:
                value.computed = any(x.computed for x in view.given if not x.constant)
        if rule.product and cost.macs:
            for value in filter(None, view.outputs):
                value.credit = Credit(min(value.size, cost.macs))
        elif rule.kind in ("free", "selection") or cost.requantizing:
            # Views, activations and what only quantizes share the credit of their input.
            credit = next((x.credit for x in view.given if x.credit is not None), None)
            for value in filter(None, view.outputs):
                value.credit = credit
        return cost

    def _infer(self, node: Node, inputs: tuple[Value | None, ...]) -> Mapping[str, TypeProto]:
        """Types of the outputs by onnx's inference for this one node."""
        schema = find_schema(node.op, self.opset)
        named = {n: v for n, v in zip(node.inputs, inputs, strict=True) if v is not None}
        types = {
            name: onnx.helper.make_tensor_type_proto(value.dtype, value.shape)
            for name, value in named.items()
        }
        data = {
            name: onnx.numpy_helper.from_array(value.data)
            for name, value in named.items()
            if value.data is not None and safe_for_inference(node.op, value.data)
        }
        try:
            if not schema.has_type_and_shape_inference_function:
                return _elementwise_types(node, inputs)
            proto = node.proto
            if node.op == "STFT" and all(a.name != "onesided" for a in proto.attribute):
                # onnx's inference does not apply this default.
                proto = onnx.NodeProto.FromString(proto.SerializeToString())
                proto.attribute.append(onnx.helper.make_attribute("onesided", 1))
            return onnx.shape_inference.infer_node_outputs(
                schema, proto, types, data, opset_imports=self.imports
            )
        except _INFERENCE_ERRORS as error:
            if found := _UNSUPPORTED.search(str(error)):
                refuse(
                    "operator_type", op=node.op, name=node.name, dtype=found[1], opset=self.opset
                )
            refuse("shapes", op=node.op, name=node.name, why=first_line(error))


def _input_value(info: ValueInfoProto, batch: int, names: set[str], limits: GraphLimits) -> Value:
    """A graph input with its batch, called by one of `names`, set to `batch` and named dimensions
    to the limits' sizes."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.HasField("shape"):
        refuse("input_type", name=info.name)
    dtype = dtype_of(kind.elem_type, info.name)
    dims = []
    for axis, dim in enumerate(kind.shape.dim):
        if dim.HasField("dim_value"):
            size = dim.dim_value
            if size < 1:
                refuse("dimension", tensor=info.name, size=size)
        elif dim.dim_param in limits.sizes:
            size = limits.sizes[dim.dim_param]
        elif axis == 1 and limits.length is not None:
            size = limits.length
        elif axis == 0 or (dim.dim_param in names and kind.shape.dim[0].HasField("dim_value")):
            size = batch  # once per input, or the batch would hide a size of the example
        else:
            refuse("dynamic_dimension", axis=axis, name=info.name, size=dim.dim_param or "?")
        dims.append(size)
    shape = checked_shape(dims, dtype, limits.max_tensor_bytes * batch, info.name)
    return Value(kind.elem_type, shape, False, computed=kind.elem_type in FLOATS)


def _stored(tensor: TensorProto) -> Value:
    """The value of a checked tensor of the file."""
    shape = tuple(tensor.dims)
    return Value(
        tensor.data_type, shape, True, small_array(tensor), table=prod(shape) > 1, stored=tensor
    )


def _constant(node: Node) -> Value:
    """The value of a Constant node; its attributes have been checked as stored tensors."""
    if len(node.proto.attribute) != 1 or len(node.outputs) != 1 or node.inputs:
        refuse("invalid_node", op=node.op, name=node.name, why="it needs exactly one attribute")
    attribute = node.proto.attribute[0]
    if attribute.name == "value" and attribute.HasField("t"):
        tensor = attribute.t
        return _stored(tensor)
    if attribute.name == "sparse_value" and attribute.HasField("sparse_tensor"):
        sparse = attribute.sparse_tensor
        return Value(sparse.values.data_type, tuple(sparse.dims), True)
    array = constant_value(attribute)
    if array is None:
        refuse("invalid_node", op=node.op, name=node.name, why=f"attribute {attribute.name}")
    code = TensorProto.INT64 if array.dtype == np.int64 else TensorProto.FLOAT
    return Value(code, array.shape, True, array if array.size <= FOLDABLE_ELEMENTS else None)


def _known(found: TypeProto | None, name: str, node: Node) -> tuple[int, list[int]]:
    """Type and dimensions of an inferred output; refused unless all are known."""
    if found is None or not found.HasField("tensor_type"):
        refuse("unknown_shape", name=name, op=node.op)
    kind = found.tensor_type
    dtype_of(kind.elem_type, name)
    if not kind.HasField("shape") or not all(dim.HasField("dim_value") for dim in kind.shape.dim):
        refuse("unknown_shape", name=name, op=node.op)
    return kind.elem_type, [dim.dim_value for dim in kind.shape.dim]


def _elementwise_types(node: Node, inputs: tuple[Value | None, ...]) -> dict[str, TypeProto]:
    """Output types of the few operators of old opsets for which onnx has no inference."""
    given = [value for value in inputs if value is not None]
    dtype, shape = given[0].dtype, given[0].shape
    if node.op in ("GreaterOrEqual", "LessOrEqual"):
        dtype, shape = TensorProto.BOOL, np.broadcast_shapes(*(value.shape for value in given))
    elif node.op not in ("MeanVarianceNormalization", "GroupNormalization"):
        refuse("unknown_shape", name=node.outputs[0], op=node.op)
    return {node.outputs[0]: onnx.helper.make_tensor_type_proto(dtype, shape)}


# Checks of attributes.


def _check_attributes(
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
        plain = text.isascii() and len(text) <= FREE_CHARACTERS
        if not plain or (name == "equation" and not _EQUATION.fullmatch(text.replace(" ", ""))):
            refuse("attribute", op=node.op, attribute=name, value=text)
        for number in [*attribute.ints, *([attribute.i] if attribute.HasField("i") else [])]:
            if not least <= number <= most:
                refuse("attribute", op=node.op, attribute=name, value=number)


def _check_operator(view: View) -> None:
    """Refuse operators in training mode, and what onnx and ONNX Runtime understand differently:
    other shapes would run than those that are counted."""
    if view.op == "BatchNormalization" and view.integer("training_mode", 0):
        refuse("attribute", op=view.op, attribute="training_mode", value=1)
    mode = view.optional(2) if view.op == "Dropout" else None
    if mode is not None and (mode.data is None or mode.data.any()):
        refuse("random", op="Dropout (training_mode)")
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
    if attribute == "axis" and node.op in ("QuantizeLinear", "DequantizeLinear"):
        return -MAX_RANK, MAX_RANK  # ignored for a scale of one number
    if attribute in ("axis", "axes"):
        extra = node.op in ("Flatten", "OneHot")
        return -rank - extra, rank - 1 + extra
    ranges = {
        **dict.fromkeys(_AT_LEAST_ONE, (1, _MAX)),
        **dict.fromkeys(_FLAGS, (0, 1)),
        "pads": (0, _MAX),
        "batch_dims": (0, min(ranks, default=0)),
        "num_outputs": (len(node.outputs), len(node.outputs)),
        "perm": (0, rank - 1),
    }
    return ranges.get(attribute, (-_MAX, _MAX))
