"""From untrusted bytes to a flat list of nodes, each a valid operator of ai.onnx.

Accepted models are protobuf messages within the limits, with one opset, operators of the table of
costs only, and no control flow, randomness, strings or sequences. Functions that the model defines
are put in place of their calls. Nothing here computes shapes or costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import onnx
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from onnx import FunctionProto, ModelProto, NodeProto

from grader.measure.costs.operators import COSTS
from grader.measure.costs.refusals import GraphLimits, refuse
from grader.text import Text

STANDARD = ("", "ai.onnx")
RUNTIME_DOMAINS = ("ai.onnx", "com.microsoft", "com.ms.", "com.intel", "com.nvidia", "org.pytorch")
"""A runtime may have a kernel of its own for a name in these, and would not run the body that is
counted here: no model may define functions there."""
MAX_NAME = 2_000
"""Characters of a name. Exporters write paths of some hundred; inlining repeats them."""
MAX_DEPTH = 32
"""Functions within functions. Exporters nest three to five."""

_MAGIC = {
    b"PK\x03\x04": "zip, .pt or .npz",
    b"\x80\x02": "pickle",
    b"\x80\x04": "pickle",
    b"\x80\x05": "pickle",
    b"\x93NUMPY": ".npy",
    b"\x1f\x8b": "gzip",
    b"\x89HDF": "HDF5",
}
_REFUSED_BY_NAME = {
    "random": (
        "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial"
    ),
    "control_flow": "If Loop Scan SequenceMap",
    "sequence": (
        "ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase "
        "SequenceInsert SequenceLength SplitToSequence Optional OptionalGetElement "
        "OptionalHasElement"
    ),
    "string_operator": (
        "StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer ImageDecoder"
    ),
    "data_dependent": "NonZero Unique Compress NonMaxSuppression",
    "training_operator": "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
}
REFUSED_BY_NAME = {op: code for code, ops in _REFUSED_BY_NAME.items() for op in ops.split()}
_UNREAD = ("doc_string", "metadata_props", "value_info", "quantization_annotation")
_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Node:
    """One operator of ai.onnx, after inlining."""

    proto: NodeProto
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: int
    """Index of the node of the graph that it is, or that called its function."""


def read_model(raw: bytes, limits: GraphLimits) -> ModelProto:
    """Parse `raw`; raises Refused when it is no ONNX model that the limits allow."""
    if not raw:
        refuse("empty")
    if len(raw) > limits.max_file_bytes:
        refuse("file_size", size=len(raw), limit=limits.max_file_bytes)
    for magic, kind in _MAGIC.items():
        if raw.startswith(magic):
            refuse("checkpoint", kind=kind)
    if _fields(raw, limits.max_fields) > limits.max_fields:
        refuse("many_fields", limit=limits.max_fields)
    try:
        model = ModelProto.FromString(raw)
    except DecodeError:
        refuse("not_onnx", why="protobuf")
    if not model.HasField("graph"):
        refuse("not_onnx", why="no graph")
    # Before anything that loops over nodes.
    if sum(len(part.node) for part in (model.graph, *model.functions)) > limits.max_nodes:
        refuse("many_nodes", limit=limits.max_nodes)
    nodes = (node for part in (model.graph, *model.functions) for node in part.node)
    if sum(len(node.input) + len(node.output) for node in nodes) > limits.max_names:
        refuse("many_names", limit=limits.max_names)
    _check_strings(model)
    if model.ir_version not in limits.ir_versions:
        least, most = limits.ir_versions[0], limits.ir_versions[-1]
        refuse("ir_version", version=model.ir_version, least=least, most=most)
    if model.training_info:
        refuse("training")
    if not model.graph.node:
        refuse("no_nodes")
    if not model.graph.output:
        refuse("no_outputs")
    opset = standard_opset(model, limits)
    local = {(f.domain, f.name, f.overload) for f in model.functions}
    for part in (model.graph, *model.functions):
        for node in part.node:
            _check_operator(node, opset, local)
    return model


_Kinds = dict[int, "_Kinds"]
"""The fields of a message that hold messages, by number, each with the fields of its own."""


@cache
def _kinds() -> _Kinds:
    """The fields of a model that hold messages."""
    known: dict[str, _Kinds] = {}  # messages may hold each other

    def kinds_of(message: Descriptor) -> _Kinds:
        if message.full_name not in known:
            kinds = known[message.full_name] = {}
            for field in message.fields:
                if field.message_type is not None:
                    kinds[field.number] = kinds_of(field.message_type)
        return known[message.full_name]

    return kinds_of(ModelProto.DESCRIPTOR)


def _fields(raw: bytes, most: int) -> int:
    """The number of fields in the file, or more than `most` as soon as there are more.

    Reads the wire format of protobuf without making objects, so that a small file with millions of
    empty messages takes no memory. What is not in the format ends it; the parser refuses it.
    """
    count = 0
    pending = [(0, len(raw), _kinds())]
    try:
        while pending:
            at, end, kinds = pending.pop()
            while at < end:
                count += 1
                if count > most:
                    return count
                tag, at = _varint(raw, at)
                wire = tag & 7
                if wire == 0:
                    _, at = _varint(raw, at)
                elif wire == 2:
                    size, at = _varint(raw, at)
                    if (inner := kinds.get(tag >> 3)) is not None:
                        pending.append((at, min(at + size, end), inner))
                    at += size
                elif wire in (1, 5):
                    at += 8 if wire == 1 else 4
                else:
                    return count
    except IndexError:
        pass
    return count


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits in each byte, and where it ends."""
    value = raw[at]
    at += 1
    if value < 128:
        return value, at
    value &= 127
    for shift in range(7, 70, 7):
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError


def standard_opset(model: ModelProto, limits: GraphLimits) -> int:
    """The one opset of ai.onnx that the model uses."""
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if len(versions) != 1:
        refuse("opset_missing")
    if versions[0] not in limits.opsets:
        least, most = limits.opsets[0], limits.opsets[-1]
        advised = min(max(20, least), most)
        refuse("opset", version=versions[0], least=least, most=most, advised=advised)
    return versions[0]


@cache
def find_schema(op: str, opset: int) -> onnx.defs.OpSchema:
    """The operator as ai.onnx defines it in this opset; refuses what does not exist there."""
    try:
        schema = onnx.defs.get_schema(op, opset, "")
    except onnx.defs.SchemaError:
        refuse("unknown_operator", op=op, opset=opset)
    if schema.deprecated:
        refuse("unknown_operator", op=op, opset=opset)
    return schema


def flatten(model: ModelProto, limits: GraphLimits) -> list[Node]:
    """Nodes of the graph in order, with calls of model functions replaced by their bodies.

    Raises Refused for recursive or redefining functions, for more than `max_nodes` nodes, and for
    nodes whose inputs, outputs or attributes do not fit the definition of their operator.
    """
    opset = standard_opset(model, limits)
    inliner = _Inliner(_functions(model, opset), limits)
    flat: list[Node] = []
    for origin, node in enumerate(model.graph.node):
        for proto in inliner.expand(node):
            if proto.domain:
                proto.domain = ""  # "ai.onnx" is another spelling of it
            inputs, outputs = tuple(proto.input), tuple(proto.output)
            name = proto.name or next(filter(None, outputs), proto.op_type)
            flat.append(Node(proto, proto.op_type, name, inputs, outputs, origin))
            if len(flat) > limits.max_nodes:
                refuse("many_nodes", limit=limits.max_nodes)
    context = onnx.checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {"": opset}
    for each in flat:
        try:
            onnx.checker.check_node(each.proto, context)
        except onnx.checker.ValidationError as error:
            refuse("invalid_node", op=each.op, name=each.name, why=first_line(error))
    return flat


def first_line(error: BaseException) -> str:
    """The message of an error of onnx, without its stack trace."""
    return next(filter(str.strip, str(error).splitlines()), type(error).__name__)


def _check_strings(message: Message) -> None:
    """Refuse names that are not UTF-8; clear fields that are not read, such as declared shapes."""
    for field in _UNREAD:
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = value if field.is_repeated else [value]
            if not all(isinstance(text, str) for text in texts):
                refuse("not_onnx", why=f"{field.name}: utf-8")
            if any(len(text) > MAX_NAME for text in texts):
                refuse("not_onnx", why=f"{field.name}: > {MAX_NAME}")
        elif field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                _check_strings(inner)


def _check_operator(node: NodeProto, opset: int, local: set[_Key]) -> None:
    op = node.op_type
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        refuse("control_flow", op=op)
    if node.domain not in STANDARD:
        if (node.domain, op, node.overload) not in local:
            runtime = node.domain == "com.microsoft"
            refuse("runtime_operator" if runtime else "custom_domain", op=op, domain=node.domain)
        return
    if op in REFUSED_BY_NAME:
        refuse(REFUSED_BY_NAME[op], op=op)
    find_schema(op, opset)
    if op not in COSTS:
        refuse("uncounted_operator", op=op)


def _functions(model: ModelProto, opset: int) -> dict[_Key, FunctionProto]:
    found: dict[_Key, FunctionProto] = {}
    for function in model.functions:
        key = (function.domain, function.name, function.overload)
        versions = {entry.version for entry in function.opset_import if entry.domain in STANDARD}
        why = None
        if function.domain in STANDARD:
            why = Text("it redefines a standard operator")
        elif function.domain.startswith(RUNTIME_DOMAINS):
            why = Text("the domain {domain} belongs to runtimes", domain=function.domain[:40])
        elif key in found:
            why = Text("it is defined twice")
        elif versions - {opset}:
            why = Text("it uses another opset than the model")
        if why is not None:
            refuse("function", name=function.name, why=why)
        found[key] = function
    return found


class _Inliner:
    def __init__(self, functions: dict[_Key, FunctionProto], limits: GraphLimits) -> None:
        self.functions = functions
        self.limits = limits
        self.calls = 0
        self.names = 0
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
            why = Text("nested deeper than {max_depth}", max_depth=MAX_DEPTH)
            refuse("function", name=node.op_type, why=why)
        function = self.functions[key]
        self.names += len(function.input) + len(function.output)
        self.names += sum(len(node.input) + len(node.output) for node in function.node)
        if self.names > self.limits.max_names:
            refuse("many_names", limit=self.limits.max_names)
        self.nbytes += function.ByteSize()
        if self.nbytes > self.limits.max_file_bytes:
            refuse("constant_size", limit=self.limits.max_file_bytes)
        for inner in _body(function, node, f"{self.calls}\u2192"):
            yield from self.expand(inner, (*stack, key))


def _body(function: FunctionProto, call: NodeProto, prefix: str) -> Iterator[NodeProto]:
    """Nodes of `function` with the call's tensors and attributes in place of its own."""
    if len(call.input) > len(function.input) or len(call.output) > len(function.output):
        why = Text("a call has too many inputs or outputs")
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
        for attribute in node.attribute:
            if not attribute.ref_attr_name:
                copy.attribute.append(attribute)
            elif attribute.ref_attr_name in attributes:
                copy.attribute.append(attributes[attribute.ref_attr_name])
                copy.attribute[-1].name = attribute.name
        yield copy
    for name in function.output:
        if name not in names:
            refuse("missing_output", name=name)
