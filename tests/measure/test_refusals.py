"""Models that are not counted: each is refused in both languages, with the next step."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from graph_models import model, node, weights
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.costs.operators import COSTS
from grader.measure.costs.parsing import REFUSED_BY_NAME
from grader.measure.costs.refusals import Refused, refuse
from grader.text.errors import ExitCode

X = {"x": ["n", 4]}
RELU = node("Relu", "x", "y")
IMPORTS = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]


def edited(change: object, nodes: list[NodeProto] | None = None, **options: object) -> bytes:
    """A plain model, modified by `change`."""
    parsed = onnx.load_from_string(model(nodes or [RELU], X, **options))
    change(parsed)  # type: ignore[operator]
    return parsed.SerializeToString()


def external(parsed: onnx.ModelProto) -> None:
    tensor = helper.make_tensor("w", 1, [4], [0.0] * 4)
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    parsed.graph.initializer.append(tensor)


def stored(**fields: object) -> object:
    """A change that adds a tensor `w` with these fields."""

    def change(parsed: onnx.ModelProto) -> None:
        tensor = numpy_helper.from_array(weights(4), "w")
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(tensor, name)[:] = value
            else:
                setattr(tensor, name, value)
        parsed.graph.initializer.append(tensor)

    return change


def function(name: str, nodes: list[NodeProto], **options: object) -> FunctionProto:
    domain = str(options.get("domain", "mine"))
    return helper.make_function(domain, name, ["a"], ["b"], nodes, options.get("imports", IMPORTS))


def branch() -> onnx.GraphProto:
    output = helper.make_empty_tensor_value_info("z")
    return helper.make_graph([node("Identity", "x", "z")], "branch", [], [output])


def call(name: str) -> NodeProto:
    return helper.make_node(name, ["x"], ["y"], domain="mine")


def with_functions(*functions: FunctionProto) -> bytes:
    return model([call("f")], X, functions=list(functions), opset_imports=IMPORTS)


BIG = {"shape": np.array([2**16, 2**16])}
OVERFLOWING = {"shape": np.array([2**62, 4])}
SQUARE = {"w": weights(4, 4)}

REFUSED: dict[str, tuple[bytes, str, str]] = {
    # The file.
    "an empty file": (b"", "empty", "empty"),
    "a checkpoint": (b"PK\x03\x04" + bytes(100), "checkpoint", "export()"),
    "a pickle": (b"\x80\x02}q\x00.", "checkpoint", "pickle"),
    "text": (b"# my model\n", "not_onnx", "not a readable ONNX"),
    "a cut file": (model([RELU], X, SQUARE)[:-7], "not_onnx", "not a readable ONNX"),
    "no graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "not_onnx", "no graph"),
    "no nodes": (edited(lambda m: m.graph.ClearField("node")), "no_nodes", "no nodes"),
    "no outputs": (edited(lambda m: m.graph.ClearField("output")), "no_outputs", "output_names"),
    "an old opset": (model([RELU], X, opset=12), "opset", "opset 12"),
    "a future opset": (model([RELU], X, opset=99), "opset", "opset 99"),
    "no opset": (edited(lambda m: m.ClearField("opset_import")), "opset_missing", "opset"),
    "two opsets": (
        edited(lambda m: m.opset_import.add(domain="ai.onnx", version=13)),
        "opset_missing",
        "exactly once",
    ),
    "a future IR": (model([RELU], X, ir_version=99), "ir_version", "IR version 99"),
    "training information": (edited(lambda m: m.training_info.add()), "training", "eval mode"),
    "names that are no text": (
        model([node("Relu", "x", "yyyy")], X).replace(b"yyyy", b"y\xff\xfey"),
        "not_onnx",
        "utf-8",
    ),
    # Tensors.
    "external data": (edited(external), "external_data", "w keeps its data in another file"),
    "too little data": (edited(stored(raw_data=b"123")), "tensor_data", "3 bytes"),
    "no data": (edited(stored(raw_data=b"", dims=[9])), "tensor_data", "0 bytes"),
    "data twice": (edited(stored(float_data=[1.0])), "tensor_data", "one field"),
    "a negative size": (edited(stored(dims=[-4])), "dimension", "-4"),
    "a shape of terabytes": (edited(stored(dims=[2**40, 4])), "tensor_size", "w would take"),
    "an unknown type": (edited(stored(data_type=99)), "tensor_type", "number 99"),
    "complex numbers": (edited(stored(data_type=TensorProto.COMPLEX64)), "tensor_type", "complex"),
    "strings": (edited(stored(data_type=TensorProto.STRING)), "string", "w holds strings"),
    "a constant string": (
        model([node("Constant", "", "s", value_string="weights"), RELU], X),
        "string",
        "value_string",
    ),
    "an input of strings": (model([RELU], X, dtype=8), "string", "x holds strings"),
    # Names and order.
    "one name twice": (
        model([RELU, node("Neg", "x", "y")], X),
        "duplicate",
        "y is defined twice",
    ),
    "two tensors of one name": (
        edited(lambda m: m.graph.initializer.append(m.graph.initializer[0]), stored=SQUARE),
        "duplicate",
        "w is defined twice",
    ),
    "an output that is an input": (model([node("Relu", "x", "x")], X), "duplicate", "x"),
    "a cycle": (
        model([node("Add", "x b", "a"), node("Relu", "a", "b")], X),
        "missing_input",
        "Add reads b",
    ),
    "a missing tensor": (model([node("Add", "x w", "y")], X), "missing_input", "Add reads w"),
    "an output from nowhere": (
        model([RELU], X, outputs=["z"]),
        "missing_output",
        "output z",
    ),
    # Operators.
    "an operator of ONNX Runtime": (
        model([helper.make_node("FusedMatMul", ["x", "x"], ["y"], domain="com.microsoft")], X),
        "runtime_operator",
        "FusedMatMul belongs to ONNX Runtime's own domain com.microsoft",
    ),
    "a tree ensemble": (
        model([helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml")], X),
        "custom_domain",
        "ai.onnx.ml",
    ),
    "an unknown operator": (model([node("Magic", "x", "y")], X), "unknown_operator", "Magic"),
    "a newer operator": (model([node("Gelu", "x", "y")], X), "unknown_operator", "opset 17"),
    "an uncounted operator": (
        model([node("MaxRoiPool", "x r", "y", pooled_shape=[1, 1])], X),
        "uncounted_operator",
        "MaxRoiPool",
    ),
    "dropout that trains": (
        model([node("Dropout", "x r t", "y")], X, {"r": np.float32(0.5), "t": np.array(True)}),
        "random",
        "Dropout",
    ),
    "normalization that trains": (
        model(
            [node("BatchNormalization", "x s s s s", "y a b", training_mode=1)],
            {"x": ["n", 4, 5]},
            {"s": weights(4)},
            outputs=["y"],
        ),
        "attribute",
        "training_mode",
    ),
    "a branch": (
        model(
            [node("If", "c", "y", then_branch=branch(), else_branch=branch())],
            X,
            {"c": np.array(True)},
        ),
        "control_flow",
        "Operator If",
    ),
    "a wrong number of inputs": (model([node("Relu", "x x", "y")], X), "invalid_node", "Relu"),
    "a wrong attribute": (model([node("Relu", "x", "y", alpha=1.0)], X), "invalid_node", "alpha"),
    "a stride of zero": (
        model([node("Conv", "x w", "y", strides=[0])], {"x": ["n", 1, 5]}, {"w": weights(1, 1, 3)}),
        "attribute",
        "strides = 0",
    ),
    "a negative batch_dims": (
        model([node("GatherND", "x i", "y", batch_dims=-100)], X, {"i": np.array([0])}),
        "attribute",
        "batch_dims = -100",
    ),
    "shapes that do not fit": (
        model([node("MatMul", "x w", "y")], X, {"w": weights(5, 3)}),
        "shapes",
        "MatMul",
    ),
    "a kernel that lies": (
        model(
            [node("Conv", "x w", "y", kernel_shape=[1])],
            {"x": ["n", 1, 5]},
            {"w": weights(1, 1, 3)},
        ),
        "shapes",
        "Conv",
    ),
    "a hidden size that lies": (
        model(
            [node("GRU", "x w r", "y", hidden_size=1)],
            {"x": [5, 1, 4]},
            {"w": weights(1, 9, 4), "r": weights(1, 9, 3)},
        ),
        "shapes",
        "hidden_size",
    ),
    "a slope that widens its input": (
        model([node("PRelu", "x w", "y")], X, {"w": weights(100, 4)}),
        "shapes",
        "PRelu",
    ),
    "an equation of odd characters": (
        model([node("Einsum", "x x", "y", equation="\xff,\xff")], X),
        "attribute",
        "equation",
    ),
    "a slice that two runtimes read differently": (
        model(
            [node("Slice", "w s e a t", "v"), RELU],
            X,
            SQUARE | {k: np.array([v]) for k, v in zip("seat", (3, 2**63 - 1, 1, -1), strict=True)},
        ),
        "shapes",
        "Slice",
    ),
    # Functions.
    "a recursive function": (
        with_functions(function("f", [helper.make_node("f", ["a"], ["b"], domain="mine")])),
        "function_recursion",
        "f of the model calls itself",
    ),
    "functions that call each other": (
        with_functions(
            function("f", [helper.make_node("g", ["a"], ["b"], domain="mine")]),
            function("g", [helper.make_node("f", ["a"], ["b"], domain="mine")]),
        ),
        "function_recursion",
        "calls itself",
    ),
    "a function that redefines MatMul": (
        model(
            [node("MatMul", "x w", "y")],
            X,
            SQUARE,
            functions=[function("MatMul", [node("Relu", "a", "b")], domain="")],
        ),
        "function",
        "MatMul",
    ),
    "a function of another opset": (
        with_functions(
            function("f", [node("Relu", "a", "b")], imports=[helper.make_opsetid("", 13)])
        ),
        "function",
        "another opset",
    ),
    "a random operator in a function": (
        with_functions(function("f", [node("RandomNormalLike", "a", "b")])),
        "random",
        "RandomNormalLike",
    ),
    "a function that reads what it was not given": (
        with_functions(function("f", [node("Add", "a x", "b")])),
        "missing_input",
        "Add reads x",
    ),
    # Sizes.
    "a constant of 16 GB": (
        model([node("ConstantOfShape", "shape", "c"), RELU], X, BIG),
        "tensor_size",
        "17179869184 bytes",
    ),
    "a constant whose size overflows": (
        model([node("ConstantOfShape", "shape", "c"), RELU], X, OVERFLOWING),
        "unknown_shape",
        "ConstantOfShape",
    ),
    "an expansion of the data": (
        model([node("Expand", "x shape", "y")], {"x": ["n", 1]}, BIG),
        "tensor_size",
        "y would take",
    ),
    "much work on constants": (
        model(
            [node("ConstantOfShape", "s", "c"), node("MatMul", "c c", "d"), RELU],
            X,
            {"s": np.array([4096, 4096])},
        ),
        "constant_work",
        "MACs when the model is loaded",
    ),
    "an endless product": (
        model([node("Einsum", "x x", "y", equation="...i,...j->...")], {"x": ["n", 2**26]}),
        "work",
        "MACs for one example",
    ),
    "a dynamic axis": (
        model([RELU], {"x": ["n", "time"]}),
        "dynamic_dimension",
        "Axis 1 of input x has no fixed size (time)",
    ),
    "an input of size zero": (model([RELU], {"x": ["n", 0]}), "dimension", "x"),
    "an input without a shape": (
        edited(lambda m: m.graph.input[0].type.tensor_type.ClearField("shape")),
        "input_type",
        "Input x",
    ),
    "an input that is a sequence": (
        edited(lambda m: m.graph.input[0].type.sequence_type.elem_type.SetInParent()),
        "input_type",
        "Input x",
    ),
    "a size computed from the data": (
        model([node("Cast", "x", "i", to=7), node("ConstantOfShape", "i", "y")], {"x": [1]}),
        "unknown_shape",
        "y, made by ConstantOfShape",
    ),
    "a number of best that depends on the data": (
        model([node("Cast", "x", "k", to=7), node("TopK", "x k", "y i")], {"x": [1]}),
        "unknown_shape",
        "TopK",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_sentence(name: str) -> None:
    raw, code, words = REFUSED[name]
    with pytest.raises(Refused, match=re.escape(words)) as refusal:
        inspect(raw)
    assert refusal.value.code == code
    assert refusal.value.exit_code is ExitCode.BELOW
    assert re.search("[а-я]", refusal.value.text.to("ru"))


@pytest.mark.parametrize("op", REFUSED_BY_NAME)
def test_operators_refused_by_name(op: str) -> None:
    with pytest.raises(Refused, match=f"operator {op}|Operator {op}") as refusal:
        inspect(model([node(op, "x", "y")], X, opset=20))
    assert refusal.value.code == REFUSED_BY_NAME[op]


def test_every_operator_is_either_counted_or_refused() -> None:
    assert not set(COSTS) & set(REFUSED_BY_NAME)
    for opset in GraphLimits().opsets:
        known = {s.name for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""}
        for op in known - set(COSTS):
            with pytest.raises(Refused):
                inspect(model([node(op, "x", "y")], X, opset=opset))


def test_every_rule_exists_in_some_opset_and_says_what_it_costs() -> None:
    for op, rule in COSTS.items():
        assert any(onnx.defs.has(op, opset, "") for opset in GraphLimits().opsets), op
        assert rule.formula.to("en")
        assert re.search(r"[а-я0-9]", rule.formula.to("ru"))


def test_many_nodes_are_refused_before_they_are_made() -> None:
    """Thirty functions that each call the next one twice stand for a billion nodes."""
    chain = [
        function(
            f"f{i}" if i else "f",
            [
                helper.make_node(f"f{i + 1}", ["a"], ["h"], domain="mine"),
                helper.make_node(f"f{i + 1}", ["h"], ["b"], domain="mine"),
            ],
        )
        for i in range(30)
    ]
    with pytest.raises(Refused, match="more than 5000 nodes"):
        inspect(with_functions(*chain, function("f30", [node("Relu", "a", "b")])))


def test_a_file_over_the_limit_is_not_parsed() -> None:
    with pytest.raises(Refused, match="at most 10"):
        inspect(model([RELU], X), GraphLimits(max_file_bytes=10))


def test_constants_together_are_bounded() -> None:
    limits = GraphLimits(max_constant_bytes=1000)
    nodes = [node("Tile", "w r", f"t{i}") for i in range(5)]
    raw = model([*nodes, RELU], X, {"w": weights(10), "r": np.array([10])})
    with pytest.raises(Refused, match="more than 1000 bytes"):
        inspect(raw, limits)


def test_names_in_sentences_are_short_and_printable() -> None:
    with pytest.raises(Refused) as refusal:
        refuse("missing_output", name="\x1b[31m" + "y" * 1000)
    assert "\x1b" not in refusal.value.text.to("en")
    assert len(refusal.value.text.to("en")) < 200


def test_inputs_and_outputs_are_bounded() -> None:
    many = {f"x{number}": ["n", 4] for number in range(5_000)}
    with pytest.raises(Refused, match="5001 inputs and outputs, at most 512"):
        inspect(model([node("Relu", "x0", "y")], many))
    fan = [node("Relu", "x", f"y{number}") for number in range(600)]
    with pytest.raises(Refused, match="601 inputs and outputs"):
        inspect(model(fan, X, outputs=[f"y{number}" for number in range(600)]))


def test_stored_tensors_that_are_also_inputs_do_not_count_as_inputs() -> None:
    stored = {f"w{number}": weights(4) for number in range(200)}
    nodes = [node("Add", "x w0", "h0")]
    nodes += [node("Add", f"h{number - 1} w{number}", f"h{number}") for number in range(1, 200)]

    def also_inputs(parsed: onnx.ModelProto) -> None:
        for name in stored:
            parsed.graph.input.append(helper.make_tensor_value_info(name, 1, [4]))

    parsed = onnx.load_from_string(model(nodes, X, stored, outputs=["h199"]))
    also_inputs(parsed)
    assert len(inspect(parsed.SerializeToString()).inputs) == 1
