"""From untrusted bytes to a model whose every operator is known by name.

Nothing here computes shapes or costs; what passes is a protobuf message of sane size with one
opset, operators of ai.onnx only, and no control flow, randomness, strings or sequences.
"""

from __future__ import annotations

from functools import cache

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, NodeProto

from grader.measure.costs.refusals import refuse
from grader.measure.costs.rules import COSTS
from grader.measure.costs.view import GraphLimits

STANDARD = ("", "ai.onnx")
MAX_NAME = 2_000
"""Characters of a name. Exporters write paths of some hundred; inlining repeats them."""

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


def read_model(raw: bytes, limits: GraphLimits) -> ModelProto:
    """Parse `raw`; raises Refused when it is no ONNX model that the limits allow."""
    if not raw:
        refuse("empty")
    if len(raw) > limits.max_file_bytes:
        refuse("file_size", size=len(raw), limit=limits.max_file_bytes)
    for magic, kind in _MAGIC.items():
        if raw.startswith(magic):
            refuse("checkpoint", kind=kind)
    try:
        model = ModelProto.FromString(raw)
    except DecodeError:
        refuse("not_onnx", why="protobuf")
    if not model.HasField("graph"):
        refuse("not_onnx", why="no graph")
    # Before anything that takes a step for each of them.
    if sum(len(part.node) for part in (model.graph, *model.functions)) > limits.max_nodes:
        refuse("many_nodes", limit=limits.max_nodes)
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
    _check_operators(model, limits)
    return model


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


_UNREAD = ("doc_string", "metadata_props", "value_info", "quantization_annotation")


def _check_strings(message: Message) -> None:
    """Refuse names that are not UTF-8; drop what is never read, declared shapes among it."""
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


def _check_operators(model: ModelProto, limits: GraphLimits) -> None:
    opset = standard_opset(model, limits)
    local = {(f.domain, f.name, f.overload) for f in model.functions}
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            _check_operator(node, opset, local)


def _check_operator(node: NodeProto, opset: int, local: set[tuple[str, str, str]]) -> None:
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
