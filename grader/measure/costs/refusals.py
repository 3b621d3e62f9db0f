"""The limits of a graded ONNX model, and the sentences with which one is refused.

Each reason has a code and one sentence in both languages. Names inside the sentences come from the
submission. They are shortened and cleaned of control characters here; a page that shows them still
has to escape them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

MIB = 2**20


@dataclass(frozen=True)
class GraphLimits:
    """The bounds under which `inspect` counts a model; beyond them it is refused."""

    opsets: range = range(13, 27)
    """Opsets of ai.onnx: 13 moved shapes into inputs; 26 is the newest that both onnx 1.23 and
    ONNX Runtime 1.31 know."""
    ir_versions: range = range(4, 14)
    max_file_bytes: int = 512 * MIB
    max_nodes: int = 5_000
    """Nodes after functions are inlined."""
    max_fields: int = 500_000
    """Fields of the file, nested ones included. Parsing takes 100 and more bytes of memory for a
    field that takes two bytes in the file."""
    max_names: int = 50_000
    """Inputs and outputs of all nodes together, after functions are inlined."""
    max_inputs: int = 512
    """Inputs and outputs of the graph together, without stored tensors that are also inputs."""
    max_tensor_bytes: int = 512 * MIB
    """Any one tensor, stored or computed, at batch 1 (times the batch otherwise)."""
    max_constant_bytes: int = 1024 * MIB
    """All tensors computed from constants alone, together."""
    max_constant_macs: int = 10**10
    """Work on constants alone, done once when the model is loaded."""
    max_macs: int = 10**13
    """MACs at batch 1."""
    batches: tuple[int, ...] = (1, 2, 3, 128)
    """Batch sizes at which the graph is counted. The first must be 1 and is the one reported; at
    the others the cost per example must not be higher. Put the sizes that are run in here."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of named dynamic dimensions other than the batch, as {"samples": 1600}."""
    length: int | None = None
    """Size of a dynamic second axis of an input, whatever it is called: tokens of a sequence."""


DEFAULT_LIMITS = GraphLimits()


class Refused(Rejected):
    """A model that is not counted. `code` is short and stable, for tests and statistics."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


def refuse(code: str, **found: object) -> NoReturn:
    """Raise the refusal `code`, with the values `found` in its sentence."""
    values = {
        name: value if isinstance(value, Text) else quoted(value) for name, value in found.items()
    }
    raise Refused(code, _SENTENCES[code].filled(**values))


_SENTENCES: dict[str, Text] = {
    # The file.
    "empty": Text(
        "The model file is empty: export the model again and check the size of the file."
    ),
    "checkpoint": Text(
        "This is a checkpoint or an archive ({kind}), not an ONNX model: export it with "
        "export() from the template or torch.onnx.export and submit model.onnx."
    ),
    "not_onnx": Text(
        "The file is not a readable ONNX model ({why}): it may have been cut short while "
        "copying; export it again."
    ),
    "file_size": Text(
        "The model file takes {size} bytes, at most {limit} are allowed: make the model smaller."
    ),
    "ir_version": Text(
        "The model says IR version {version}; {least} to {most} are supported: export it "
        "with the onnx version of the course."
    ),
    "opset": Text(
        "The model uses opset {version} of ai.onnx; {least} to {most} are supported: pass "
        "opset_version={advised} to the exporter."
    ),
    "opset_missing": Text(
        "The model does not say exactly once which opset of ai.onnx it uses: export it again."
    ),
    "training": Text(
        "The model contains training information, and only inference is graded: export the "
        "model in eval mode, without training_info."
    ),
    "no_nodes": Text(
        "The graph has no nodes: the model computes nothing; export the trained model."
    ),
    "no_outputs": Text("The graph has no outputs: give the exporter output_names."),
    "many_nodes": Text(
        "The graph has more than {limit} nodes once functions are inlined: simplify the model."
    ),
    "many_fields": Text(
        "The model file has more than {limit} fields (nodes, attributes, names): simplify the "
        "model."
    ),
    "many_names": Text(
        "The nodes of the graph have more than {limit} inputs and outputs: simplify the model."
    ),
    "many_inputs": Text(
        "The graph has {found} inputs and outputs, at most {limit} are allowed: export the "
        "model with the inputs and outputs of the lesson alone."
    ),
    # Tensors.
    "external_data": Text(
        "Tensor {tensor} keeps its data in another file (external data): save the model as "
        "one file, with its weights inside."
    ),
    "tensor_type": Text(
        "{tensor} has the type {dtype}, which is not supported: use float32, float16, an "
        "integer type or bool."
    ),
    "string": Text(
        "{tensor} holds strings, which are not supported: a model takes and returns "
        "numbers; turn text into numbers before the model."
    ),
    "tensor_data": Text(
        "Tensor {tensor} stores {found} where its shape and type need {expected}: the file "
        "is damaged; export it again."
    ),
    "dimension": Text("{tensor} has the dimension {size}: dimensions must be positive and known."),
    "tensor_size": Text(
        "{tensor} would take {size} bytes, at most {limit} are allowed: make it smaller."
    ),
    "constant_size": Text(
        "Tensors computed from constants alone take more than {limit} bytes together: "
        "store the constants smaller or compute fewer of them."
    ),
    "constant_work": Text(
        "Operators on constants alone take more than {limit} MACs when the model is "
        "loaded: compute these weights before the export."
    ),
    "work": Text(
        "The model takes {macs} MACs for one example, at most {limit} are allowed: make it smaller."
    ),
    # Names and order.
    "duplicate": Text(
        "The name {name} is defined twice in the graph: every tensor must be made once; "
        "export the model again."
    ),
    "missing_input": Text(
        "{op} reads {name}, which nothing before it makes (a missing tensor or a cycle): "
        "nodes must be in the order in which they run; export the model again."
    ),
    "missing_output": Text("Nothing in the graph makes its output {name}: export the model again."),
    # Operators.
    "custom_domain": Text(
        "Operator {op} belongs to the domain {domain}, and only standard ai.onnx operators "
        "are counted: export without custom or fused operators (and without ORT "
        "optimisation)."
    ),
    "runtime_operator": Text(
        "Operator {op} belongs to ONNX Runtime's own domain {domain}, and only standard "
        "ai.onnx operators are counted: quantize with QuantFormat.QDQ, 4 and 16 bits from "
        "opset 21 on, and save no model that ONNX Runtime has optimised."
    ),
    "operator_type": Text(
        "Operator {op} ({name}) of opset {opset} does not take {dtype}: 4-bit integers "
        "need DequantizeLinear of opset 21, 8-bit floats that of opset 19."
    ),
    "unknown_operator": Text(
        "Operator {op} does not exist in opset {opset} of ai.onnx: use a standard operator."
    ),
    "uncounted_operator": Text(
        "Operator {op} has no stated cost here, and nothing is counted as free by default: "
        "rewrite it with operators of the table of costs."
    ),
    "random": Text(
        "Operator {op} is random, so two runs of the model would disagree: remove it or "
        "export the model in eval mode."
    ),
    "control_flow": Text(
        "Operator {op} is control flow, so its work cannot be read from the graph: unroll "
        "it or replace it with Where."
    ),
    "sequence": Text("Operator {op} works on sequences, optionals or maps: use plain tensors."),
    "string_operator": Text(
        "Operator {op} works on strings: turn text into numbers before the model."
    ),
    "data_dependent": Text(
        "The output size of operator {op} depends on the data, so its cost is not bounded: "
        "use masks or fixed sizes."
    ),
    "training_operator": Text(
        "Operator {op} belongs to training: export the model in eval mode, without its loss."
    ),
    "invalid_node": Text("Operator {op} ({name}) is not valid ONNX: {why}"),
    "attribute": Text(
        "Operator {op} has the attribute {attribute} = {value}, which is outside what is "
        "supported: correct it and export again."
    ),
    "shapes": Text("Operator {op} ({name}) gets shapes that do not fit together: {why}"),
    # Functions.
    "function_recursion": Text(
        "Function {name} of the model calls itself: recursive functions are not supported."
    ),
    "function": Text(
        "Function {name} of the model cannot be counted ({why}): export the model with its "
        "functions inlined (onnx.inliner.inline_local_functions)."
    ),
    # Shapes.
    "input_type": Text(
        "Input {name} is not a tensor with a known shape: give the exporter an example input."
    ),
    "dynamic_dimension": Text(
        "Axis {axis} of input {name} has no fixed size ({size}): only the batch may be "
        "dynamic; export with this axis fixed."
    ),
    "unknown_shape": Text(
        "The shape of {name}, made by {op}, cannot be known before the model runs: use "
        "fixed sizes instead of sizes computed from data."
    ),
    "batch_growth": Text(
        "The model takes {one} MACs for one example but {many} for a batch of {batch}: the "
        "cost of an example must not depend on the batch it comes in."
    ),
}
