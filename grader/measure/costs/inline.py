"""One flat list of nodes: functions that the model defines are put in place of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto

from grader.measure.costs.refusals import refuse
from grader.measure.costs.validate import STANDARD, standard_opset
from grader.measure.costs.view import GraphLimits
from grader.text import Text

_Key = tuple[str, str, str]

RUNTIME_DOMAINS = ("ai.onnx", "com.microsoft", "com.ms.", "com.intel", "com.nvidia", "org.pytorch")
"""A runtime may have a kernel of its own for a name in these, and would not run the body that is
counted here: no model may define functions there."""
MAX_DEPTH = 32
"""Functions within functions. Exporters nest three to five."""


@dataclass(frozen=True)
class Node:
    """One operator of ai.onnx, after inlining."""

    proto: NodeProto
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: int
    """Which node of the graph it is, or was called by."""


def flatten(model: ModelProto, limits: GraphLimits) -> list[Node]:
    """Nodes of the graph in order, with calls of model functions replaced by their bodies.

    Raises Refused for recursive or redefining functions and for more than `max_nodes` nodes.
    """
    functions = _functions(model, limits)
    flat: list[Node] = []
    inliner = _Inliner(functions, limits)
    for origin, node in enumerate(model.graph.node):
        for proto in inliner.expand(node):
            flat.append(_node(proto, origin))
            if len(flat) > limits.max_nodes:
                refuse("many_nodes", limit=limits.max_nodes)
    return flat


def _node(proto: NodeProto, origin: int) -> Node:
    if proto.domain:
        proto.domain = ""  # "ai.onnx" is another spelling of it
    inputs, outputs = tuple(proto.input), tuple(proto.output)
    name = proto.name or next(filter(None, outputs), proto.op_type)
    return Node(proto, proto.op_type, name, inputs, outputs, origin)


def _functions(model: ModelProto, limits: GraphLimits) -> dict[_Key, FunctionProto]:
    opset = standard_opset(model, limits)
    found: dict[_Key, FunctionProto] = {}
    for function in model.functions:
        key = (function.domain, function.name, function.overload)
        if function.domain in STANDARD:
            why = Text(en="it redefines a standard operator", ru="переопределяет оператор ONNX")
            refuse("function", name=function.name, why=why)
        if function.domain.startswith(RUNTIME_DOMAINS):
            why = Text(
                en=f"the domain {function.domain[:40]} belongs to runtimes",
                ru=f"домен {function.domain[:40]} принадлежит средам исполнения",
            )
            refuse("function", name=function.name, why=why)
        if key in found:
            why = Text(en="it is defined twice", ru="определена дважды")
            refuse("function", name=function.name, why=why)
        versions = {entry.version for entry in function.opset_import if entry.domain in STANDARD}
        if versions - {opset}:
            why = Text(
                en="it uses another opset than the model", ru="её opset не тот, что у модели"
            )
            refuse("function", name=function.name, why=why)
        found[key] = function
    return found


class _Inliner:
    def __init__(self, functions: dict[_Key, FunctionProto], limits: GraphLimits) -> None:
        self.functions = functions
        self.limits = limits
        self.calls = 0
        self.nbytes = 0

    def expand(self, node: NodeProto, stack: tuple[_Key, ...] = ()) -> Iterator[NodeProto]:
        key = (node.domain, node.op_type, node.overload)
        if node.domain in STANDARD or key not in self.functions:
            yield node
            return
        if key in stack:
            refuse("function_recursion", name=node.op_type)
        self.calls += 1
        if self.calls > self.limits.max_nodes:
            refuse("many_nodes", limit=self.limits.max_nodes)
        if len(stack) >= MAX_DEPTH:
            why = Text(en=f"nested deeper than {MAX_DEPTH}", ru=f"вложена глубже {MAX_DEPTH}")
            refuse("function", name=node.op_type, why=why)
        self.nbytes += self.functions[key].ByteSize()
        if self.nbytes > self.limits.max_file_bytes:
            refuse("constant_size", limit=self.limits.max_file_bytes)
        for inner in _body(self.functions[key], node, f"{self.calls}\u2192"):
            yield from self.expand(inner, (*stack, key))


def _body(function: FunctionProto, call: NodeProto, prefix: str) -> Iterator[NodeProto]:
    """Nodes of `function` with the call's tensors and attributes in place of its own."""
    if len(call.input) > len(function.input) or len(call.output) > len(function.output):
        why = Text(
            en="a call has too many inputs or outputs", ru="в вызове лишние входы или выходы"
        )
        refuse("function", name=function.name, why=why)
    names = dict.fromkeys(function.input, "") | dict(zip(function.input, call.input, strict=False))
    results = dict(zip(function.output, call.output, strict=False))
    attributes = {a.name: a for a in function.attribute_proto} | {a.name: a for a in call.attribute}
    for node in function.node:
        copy = NodeProto(op_type=node.op_type, domain=node.domain, overload=node.overload)
        for name in node.input:
            if name and name not in names:
                refuse("missing_input", op=node.op_type, name=name)
        for name in node.output:
            if name in names and name:
                refuse("duplicate", name=name)
            names[name] = name and (results.get(name) or prefix + name)
        copy.input[:] = [name and names[name] for name in node.input]
        copy.output[:] = [name and names[name] for name in node.output]
        copy.name = f"{call.name or call.op_type}/{node.name or node.op_type}"
        copy.attribute.extend(_resolve(node.attribute, attributes))
        yield copy
    for name in function.output:
        if name not in names:
            refuse("missing_output", name=name)


def _resolve(
    attributes: Iterable[AttributeProto], given: dict[str, AttributeProto]
) -> Iterator[AttributeProto]:
    for attribute in attributes:
        if not attribute.ref_attr_name:
            yield attribute
        elif attribute.ref_attr_name in given:
            resolved = AttributeProto()
            resolved.CopyFrom(given[attribute.ref_attr_name])
            resolved.name = attribute.name
            yield resolved
