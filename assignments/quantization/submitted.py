"""The four submitted models and their tokenizers, refused when they break the contract."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import onnx

from grader.intake import Submission
from grader.measure.costs.graph import GraphLimits, GraphReport, Port
from grader.measure.quantization import Quantization, inspect_quantization
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

TEACHER, TEACHER_PTQ, STUDENT, STUDENT_PTQ = NAMES = (
    "teacher",
    "teacher_ptq",
    "student",
    "student_ptq",
)
"""File names without `.onnx`, in the order of the table."""
TITLES = {
    TEACHER: Text("teacher"),
    TEACHER_PTQ: Text("teacher + PTQ"),
    STUDENT: Text("student"),
    STUDENT_PTQ: Text("student + PTQ"),
}
PLAIN = {TEACHER_PTQ: TEACHER, STUDENT_PTQ: STUDENT}
"""The float32 model that each quantized one comes from."""
TOKENIZER, STUDENT_TOKENIZER = "tokenizer.json", "student_tokenizer.json"
IDS, MASK, LOGITS = "input_ids", "attention_mask", "logits"
_MOVES = {"Pad", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Slice", "Identity", "Transpose"}
"""Operators that do not change token ids."""
_COUNTED_LENGTH = 32
"""Tokens of the post for which MACs are counted; bytes do not depend on it."""


@dataclass(frozen=True)
class Model:
    """One submitted model."""

    name: str
    data: bytes
    tokenizer: bytes
    quantization: Quantization
    """How its weights are stored."""

    @property
    def report(self) -> GraphReport:
        return self.quantization.report

    @property
    def file(self) -> str:
        return f"{self.name}.onnx"

    @property
    def bytes(self) -> int:
        """Bytes of weights and constants as stored, and of the tokenizer's file."""
        return self.report.bytes + len(self.tokenizer)

    @cached_property
    def embedding_rows(self) -> int:
        """Rows of the largest table that token ids look up; 0 where there is none."""
        graph = onnx.load_model_from_string(self.data).graph
        shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        numbers, tables = {IDS}, []
        for node in graph.node:
            if node.op_type == "DequantizeLinear" and node.input[0] in shapes:
                shapes[node.output[0]] = shapes[node.input[0]]
            elif node.op_type in _MOVES and node.input[0] in numbers:
                numbers.add(node.output[0])
            elif node.op_type == "Gather" and node.input[1] in numbers:
                tables.append(shapes.get(node.input[0], (0,))[0])
        return max(tables, default=0)


def read(submission: Submission, classes: int) -> dict[str, Model]:
    """The models by name. Raises Rejected with the file and the problem."""
    own = STUDENT_TOKENIZER if submission.has(STUDENT_TOKENIZER) else TOKENIZER
    shared = submission.read(TOKENIZER)
    tokenizers = {TEACHER: shared, TEACHER_PTQ: shared}
    theirs = submission.read(own)
    models = {}
    for name in NAMES:
        data = submission.read(f"{name}.onnx")
        models[name] = counted(name, data, tokenizers.get(name, theirs), classes)
    return models


def counted(name: str, data: bytes, tokenizer: bytes, classes: int) -> Model:
    """One model with what it stores. Raises Rejected, naming the file."""
    try:
        found = inspect_quantization(data, GraphLimits(length=_COUNTED_LENGTH))
    except Rejected as error:
        raise named(name, error) from error
    _require_inputs(name, found.report)
    _require_logits(name, found.report, classes)
    return Model(name, data, tokenizer, found)


def named(name: str, error: Rejected) -> Rejected:
    """The same refusal, preceded by the name of the file."""
    return Rejected(Text("{name}.onnx: {text}", name=name, text=error.text))


def _require_inputs(name: str, report: GraphReport) -> None:
    """Raise Rejected unless the inputs are `input_ids` and optionally `attention_mask`, both int64
    [batch, length] with free sizes."""
    found = {port.name: port for port in report.inputs}
    if IDS not in found or not found.keys() <= {IDS, MASK}:
        raise Rejected(_inputs(name, report))
    for port in found.values():
        if port.dtype != "int64" or len(port.shape) != 2:
            raise Rejected(_inputs(name, report))
        for axis, size in enumerate(port.shape):
            if isinstance(size, int):
                raise Rejected(_fixed(name, port.name, axis, size))


def _require_logits(name: str, report: GraphReport, classes: int) -> None:
    ports = report.outputs
    if len(ports) == 1 and (ports[0].name, ports[0].dtype) == (LOGITS, "float32"):
        shape = ports[0].shape
        if len(shape) == 2 and shape[1] in (classes, None):
            return
    raise Rejected(
        Text(
            "{name}.onnx: expected one output `{logits}` float32 [batch, {classes}], found "
            "{ports}; export with export.py of the template.",
            name=name,
            logits=LOGITS,
            classes=classes,
            ports=_ports(ports),
        )
    )


def _inputs(name: str, report: GraphReport) -> Text:
    return Text(
        "{name}.onnx: expected the input `{ids}` int64 [batch, length] and, if needed, `{mask}` "
        "int64 [batch, length], found {ports}; export with export.py of the template.",
        name=name,
        ids=IDS,
        mask=MASK,
        ports=_ports(report.inputs),
    )


def _fixed(name: str, port: str, axis: int, size: int) -> Text:
    if axis == 0:
        return Text(
            "{name}.onnx: the batch of `{port}` is fixed at {size}, but one post and batches of 32 "
            'are measured; export with dynamic_axes={{"{port}": {{0: "batch", 1: "length"}}}}.',
            name=name,
            port=port,
            size=size,
        )
    return Text(
        "{name}.onnx: the length of `{port}` is fixed at {size} tokens, but posts have different "
        'lengths; export with dynamic_axes={{"{port}": {{0: "batch", 1: "length"}}}}.',
        name=name,
        port=port,
        size=size,
    )


def _ports(ports: tuple[Port, ...]) -> str:
    shown = []
    for port in ports[:4]:
        sizes = ", ".join("?" if size is None else str(size) for size in port.shape)
        shown.append(f"`{quoted(port.name)}` {port.dtype} {quoted(f'[{sizes}]')}")
    return ", ".join(shown) or "-"
