"""Bytes and MACs of an ONNX model, counted from the untrusted bytes of its file.

`inspect` parses the file and puts functions in place of their calls (parsing), reads what is stored
(storage), follows shapes at batch 1 (walk) and adds up the table of costs (operators). Nothing is
executed, and the shapes that the file states are not used. `require` compares a report with
the input and output that a lesson demands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto

from grader.lesson.grades import Layer
from grader.measure.costs import structure
from grader.measure.costs.parsing import STANDARD, flatten, read_model, standard_opset
from grader.measure.costs.refusals import DEFAULT_LIMITS, GraphLimits, refuse
from grader.measure.costs.storage import (
    DTYPES,
    Constant,
    stored_attributes,
    stored_sparse,
    stored_tensor,
)
from grader.measure.costs.walk import Step, Walk, batch_names, walk
from grader.text import EMPTY, Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

_SHOWN = 3
"""Inputs or outputs that a sentence lists."""


@dataclass(frozen=True)
class Port:
    """One input or output. Dynamic dimensions are given by name, or None when unnamed."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Tensor:
    """A float32 tensor with a batch in front of `shape`; the batch may be free or 1."""

    name: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"`{self.name}` float32 [batch, {', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class GraphReport:
    """What a model stores and computes."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    bytes: int
    """Constants as stored, by the rules of storage.py."""
    macs: int
    """MACs at batch 1, by the table of operators.py."""
    elementwise_macs: int
    """The part of `macs` outside convolutions, matrix products and recurrent cells."""
    requantizing: int
    """Multiplications that only quantize activations and scale them back; not in `macs`."""
    params: int
    """Elements of stored tensors, without scalars, booleans and int64."""
    file_bytes: int
    layers: tuple[Layer, ...]
    """Every node that costs or stores something; their sums are the totals."""


def inspect(model: bytes, limits: GraphLimits = DEFAULT_LIMITS) -> GraphReport:
    """Count the ONNX model in the bytes `model`.

    Raises Refused, with a `code`, when the bytes are no model or a model that is not counted; the
    sentence names the operator or tensor and the next step.
    """
    return count(model, limits).report


@dataclass(frozen=True)
class CountedGraph:
    """A report with the nodes and constants of its graph."""

    report: GraphReport
    graph: GraphProto
    steps: tuple[Step, ...]
    """Every node at batch 1, functions inlined."""
    stored: Mapping[int, tuple[Constant, ...]]
    """Constants by the index of the step that uses them."""


def count(model: bytes, limits: GraphLimits = DEFAULT_LIMITS) -> CountedGraph:
    """Count as `inspect` does, and keep the nodes. Raises Refused."""
    parsed = read_model(model, limits)
    graph, opset = parsed.graph, standard_opset(parsed, limits)
    _check_names(graph)
    ledger = _Ledger(parsed, opset, limits)
    nodes = flatten(parsed, limits)
    first, *others = [(b, walk(graph, nodes, opset, b, limits)) for b in limits.batches]
    one = first[1]
    if one.macs > limits.max_macs:
        refuse("work", macs=one.macs, limit=limits.max_macs)
    for batch, other in others:
        if other.macs > batch * one.macs:
            refuse("batch_growth", one=one.macs, many=other.macs, batch=batch)
    ledger.enter_structure(graph, one)
    per_step, loose = ledger.assigned(one, graph)
    layers = [
        _layer(step.node.name, step.node.op, per_step.get(index, []), step)
        for index, step in enumerate(one.steps)
        if index in per_step or step.cost.macs
    ]
    layers += [_layer(name, op, items) for (name, op), items in loose.items()]
    report = GraphReport(
        inputs=tuple(_declared(info) for info in graph.input if info.name not in ledger.named),
        outputs=tuple(_output(info, graph, [first, *others]) for info in graph.output),
        opset=opset,
        bytes=sum(layer.bytes for layer in layers),
        macs=one.macs,
        elementwise_macs=sum(step.cost.elementwise for step in one.steps),
        requantizing=sum(step.cost.requantizing for step in one.steps),
        params=sum(layer.params for layer in layers),
        file_bytes=len(model),
        layers=tuple(layers),
    )
    stored = {index: tuple(items) for index, items in per_step.items()}
    return CountedGraph(report, graph, tuple(one.steps), stored)


def require(report: GraphReport, *, expects: Tensor, returns: Tensor) -> None:
    """Raise Rejected unless the model has `expects` as its only input and `returns` as its only
    output. The sizes of an output may be unknown here; a run shows them."""
    if not (len(report.inputs) == 1 and _fits(report.inputs[0], expects)):
        raise Rejected(_unexpected(Text("input"), expects, report.inputs))
    if not (len(report.outputs) == 1 and _fits(report.outputs[0], returns, unknown=True)):
        raise Rejected(_unexpected(Text("output"), returns, report.outputs))


_Loose = dict[tuple[str, str], list[Constant]]


class _Ledger:
    """Stored constants by their place: initializers by name, node attributes by index, others."""

    def __init__(self, model: ModelProto, opset: int, limits: GraphLimits) -> None:
        """Read every constant of the file, in the graph, its nodes and its functions."""
        self.named = {
            tensor.name: stored_tensor(tensor, limits) for tensor in model.graph.initializer
        }
        for sparse in model.graph.sparse_initializer:
            self.named[sparse.values.name] = stored_sparse(sparse, limits)

        def of_node(node: onnx.NodeProto) -> list[Constant]:
            known = node.domain in STANDARD and onnx.defs.has(node.op_type, opset, "")
            schema = onnx.defs.get_schema(node.op_type, opset, "") if known else None
            return stored_attributes(node, limits, schema)

        found = {index: of_node(node) for index, node in enumerate(model.graph.node)}
        self.in_nodes = {index: items for index, items in found.items() if items}
        self.elsewhere: _Loose = {}
        for function in model.functions:
            items = [item for node in function.node for item in of_node(node)]
            defaults = onnx.NodeProto(op_type=function.name, attribute=function.attribute_proto)
            items += stored_attributes(defaults, limits, None)
            if items:
                key = (function.name, f"function {function.domain}")
                self.elsewhere.setdefault(key, []).extend(items)

    def enter_structure(self, graph: GraphProto, one: Walk) -> None:
        """Count what the wiring of the graph can hold, beyond what is free (structure.py)."""
        groups = [self.named.values(), *self.in_nodes.values(), *self.elsewhere.values()]
        stored = sum(item.nbytes for group in groups for item in group)
        if (excess := structure.charged(graph, one.steps, stored)) > 0:
            self.elsewhere["structure", "graph"] = [Constant("structure", excess, 0)]

    def assigned(self, one: Walk, graph: GraphProto) -> tuple[dict[int, list[Constant]], _Loose]:
        """Constants by the step that uses them, and those that no step uses."""
        users = users_of(one.steps)
        per_step: dict[int, list[Constant]] = {}
        loose = dict(self.elsewhere)
        for name, item in self.named.items():
            user = users.get(name)
            if user is None:
                loose.setdefault((name, "unused"), []).append(item)
            else:
                per_step.setdefault(user, []).append(item)
        steps_of = {step.node.origin: index for index, step in enumerate(one.steps)}
        counts = Counter(step.node.origin for step in one.steps)
        for origin, items in self.in_nodes.items():
            index = steps_of.get(origin)
            if index is None or counts[origin] > 1:
                node = graph.node[origin]
                loose.setdefault((node.name or node.op_type, node.op_type), []).extend(items)
                continue
            user = next((users[n] for n in one.steps[index].node.outputs if n in users), index)
            per_step.setdefault(user if one.steps[index].constant else index, []).extend(items)
        return per_step, loose


def _layer(name: str, op: str, items: list[Constant], step: Step | None = None) -> Layer:
    return Layer(
        name=name,
        op=op,
        macs=step.cost.macs if step else 0,
        bytes=sum(item.nbytes for item in items),
        params=sum(item.params for item in items),
        output_shape=step.shape if step else (),
    )


def users_of(steps: Sequence[Step]) -> dict[str, int]:
    """The first node at run time that uses each tensor or what is computed from it.

    Weights that pass through DequantizeLinear, Transpose and the like belong to the node that
    uses the result.
    """
    users: dict[str, int] = {}
    for index, step in reversed(list(enumerate(steps))):
        user = index
        if step.constant:
            user = min((users[name] for name in step.node.outputs if name in users), default=index)
        for name in step.node.inputs:
            users[name] = min(user, users.get(name, user))
    return users


def _check_names(graph: GraphProto) -> None:
    """Refuse repeated names of initializers or inputs; an input may have an initializer."""
    stored = [t.name for t in graph.initializer] + [s.values.name for s in graph.sparse_initializer]
    for names in (stored, [info.name for info in graph.input]):
        for name, count in Counter(names).items():
            if count > 1 or not name:
                refuse("duplicate", name=name)


def _declared(info: ValueInfoProto) -> Port:
    kind = info.type.tensor_type
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
        for dim in kind.shape.dim
    )
    return Port(info.name, DTYPES[kind.elem_type].name, shape)


def _output(info: ValueInfoProto, graph: GraphProto, walks: list[tuple[int, Walk]]) -> Port:
    """An output with inferred sizes: those that change with the batch are the batch, or unknown."""
    symbol = min(batch_names(graph), default="batch")
    value = walks[0][1].values[info.name]
    shapes = [(batch, run.values[info.name].shape) for batch, run in walks]
    shape: list[int | str | None] = []
    for axis, size in enumerate(value.shape):
        sizes = [other[axis] if axis < len(other) else -1 for _, other in shapes]
        grown = symbol if sizes == [batch for batch, _ in shapes] else None
        shape.append(size if all(other == size for other in sizes) else grown)
    return Port(info.name, DTYPES[value.dtype].name, tuple(shape))


def _fits(port: Port, wanted: Tensor, *, unknown: bool = False) -> bool:
    named = (port.name, port.dtype) == (wanted.name, "float32")
    if not named or len(port.shape) != len(wanted.shape) + 1:
        return False
    batch, *sizes = port.shape
    return not (isinstance(batch, int) and batch != 1) and all(
        size == expected or (unknown and not isinstance(size, int))
        for size, expected in zip(sizes, wanted.shape, strict=True)
    )


def _unexpected(what: Text, wanted: Tensor, found: Sequence[Port]) -> Text:
    ports = []
    for port in found[:_SHOWN]:
        sizes = ", ".join("?" if size is None else str(size) for size in port.shape)
        ports.append(f"`{quoted(port.name)}` {port.dtype} {quoted(f'[{sizes}]')}")
    shown = ", ".join(ports) or "-"
    more = len(found) - _SHOWN
    return Text(
        "Expected one {what} {wanted} with batch free or 1, found {shown}{more}; export with "
        "export.py of the template.",
        what=what,
        wanted=wanted,
        shown=shown,
        more=Text(" and {n:,} more", n=more) if more > 0 else EMPTY,
    )
