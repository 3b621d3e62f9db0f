"""Hostile models for the distillation lesson, made from the reference solution.

Each function makes one `model.onnx`, which would earn full marks if its attack went unnoticed; its
docstring's first line is the one in expected.toml.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

REFERENCE = (
    Path(__file__).resolve().parents[2] / "reference_solutions" / "distillation" / "model.onnx"
)
FEATURES = ("features", TensorProto.FLOAT, ["batch", 40, 101])
LOGITS = ("logits", TensorProto.FLOAT, ["batch", 2])
WHOLE = ("logits", TensorProto.INT64, ["batch", 2])


def build(name: str) -> bytes:
    """The model of the attack called `name`."""
    return ATTACKS[name]()


@cache
def public_clips() -> tuple[np.ndarray, np.ndarray]:
    """Features and labels that every student has: what `grader check` runs on."""
    from grader import data
    from grader.lesson import loading

    spec = loading.load("distillation").spec
    sizes = data.SyntheticSettings(
        hidden=data.Size(**spec.settings["hidden"]), validation=data.Size(**spec.settings["public"])
    )
    clips = data.load("speech-synthetic", "validation", settings=sizes)
    return np.load(clips.features_path), np.asarray(clips.labels)


# Memory of known data, and state -------------------------------------------------------------


def memorized_public_answers() -> bytes:
    """Stores a fingerprint and the label of every public clip, and looks them up."""
    features, labels = public_clips()
    flat = features.reshape(len(features), -1)
    rng = np.random.default_rng(0)
    projection = rng.normal(size=(flat.shape[1], 16)).astype(np.float32) / 16
    keys = flat @ projection
    # -|key - x|^2 up to |x|^2, sharpened until only the nearest stored clip speaks.
    nodes = [
        _node("Reshape", "features shape", "flat"),
        _node("MatMul", "flat projection", "key"),
        _node("MatMul", "key stored", "products"),
        _node("Sub", "products half_norms", "nearness"),
        _node("Mul", "nearness sharp", "sharpened"),
        _node("Softmax", "sharpened", "chosen", axis=1),
        _node("MatMul", "chosen answers", "logits"),
    ]
    return _model(
        nodes,
        shape=np.array([-1, flat.shape[1]]),
        projection=projection,
        stored=np.ascontiguousarray(keys.T),
        half_norms=(keys**2).sum(axis=1, dtype=np.float32)[None] / 2,
        sharp=np.float32(50),
        answers=np.stack([1 - labels, labels], axis=1).astype(np.float32),
    )


def noise_on_the_answers() -> bytes:
    """Draws random numbers, so that the second call answers differently from the first."""
    return _edited(
        _node("RandomNormalLike", "inner", "noise", scale=10.0),
        _node("Add", "inner noise", "logits"),
    )


def noise_by_multinomial() -> bytes:
    """Draws the answer itself at random, by an operator that samples."""
    return _edited(
        _node("Multinomial", "inner", "drawn", dtype=TensorProto.INT32, sample_size=2),
        _node("Cast", "drawn", "logits", to=TensorProto.FLOAT),
    )


def dropout_in_training_mode() -> bytes:
    """Keeps dropout switched on, which is random and differs from call to call."""
    return _edited(
        _node("Dropout", "inner half yes", "logits"), half=np.float32(0.5), yes=np.array(True)
    )


def cheap_path_when_profiled() -> bytes:
    """Branches on the input: an input of zeros, as profilers send, takes the free branch."""
    cheap = _branch("cheap", [helper.make_node("Identity", ["nothing"], ["cheap_logits"])])
    full = _branch("full", [helper.make_node("Identity", ["inner"], ["full_logits"])])
    return _edited(
        _node("ReduceMax", "features", "largest", keepdims=0),
        _node("Greater", "largest zero", "real"),
        _node("If", "real", "logits", then_branch=full, else_branch=cheap),
        zero=np.float32(0),
        nothing=np.zeros((1, 2), np.float32),
    )


def counts_in_a_loop() -> bytes:
    """Hides its work in the body of a Loop, whose number of rounds is data."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["carried", "inner"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [None, 2]),
        ],
    )
    return _edited(
        _node("Loop", "rounds yes inner", "logits", body=body),
        rounds=np.array(1000),
        yes=np.array(True),
    )


def carries_state_in_a_scan() -> bytes:
    """Carries a state from row to row inside a Scan."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "row"], ["new_state"]),
            helper.make_node("Identity", ["new_state"], ["out"]),
        ],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("state", "row")],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
            for name in ("new_state", "out")
        ],
    )
    return _edited(
        _node("Scan", "start inner", "last logits", body=body, num_scan_inputs=1),
        start=np.zeros(2, np.float32),
    )


def sequences() -> bytes:
    """Packs its tensors into sequences, whose sizes nobody counts."""
    return _edited(
        _node("SequenceConstruct", "inner inner", "pair"),
        _node("ConcatFromSequence", "pair", "wide", axis=0),
        _node("Slice", "wide from to", "logits"),
        **{"from": np.array([0]), "to": np.array([1])},
    )


def optionals() -> bytes:
    """Wraps a tensor in an Optional."""
    return _edited(
        _node("Optional", "inner", "perhaps"), _node("OptionalGetElement", "perhaps", "logits")
    )


def looks_at_the_batch() -> bytes:
    """Subtracts the batch's mean: other rows would decide this one's answer."""
    return _edited(
        _node("ReduceMean", "inner", "mean", axes=[0], keepdims=1),
        _node("Sub", "inner mean", "logits"),
    )


def changes_its_mind_with_the_size_of_the_batch() -> bytes:
    """Answers well only when it is asked about several clips at once."""
    return _edited(
        _node("Shape", "inner", "size", start=0, end=1),
        _node("Cast", "size", "number", to=TensorProto.FLOAT),
        _node("Sub", "number one", "factor"),
        _node("Mul", "inner factor", "logits"),
        one=np.float32(1),
    )


# Outputs --------------------------------------------------------------------------------------


def nan_outputs() -> bytes:
    """Answers NaN to everything, which a careless metric takes for perfect."""
    return _edited(
        _node("Sub", "inner inner", "nothing"), _node("Div", "nothing nothing", "logits")
    )


def nan_now_and_then() -> bytes:
    """Answers NaN where it is not sure: only the easy clips would count."""
    return _edited(
        _node("Abs", "inner", "sure"),
        _node("Sub", "sure enough", "left"),
        _node("Sqrt", "left", "rooted"),
        _node("Mul", "rooted nothing", "zero_or_nan"),
        _node("Add", "inner zero_or_nan", "logits"),
        enough=np.float32(0.5),
        nothing=np.float32(0),
    )


def infinite_outputs() -> bytes:
    """Answers with infinities of both signs."""
    return _edited(_node("Mul", "inner huge", "big"), _node("Mul", "big huge", "logits"),
                   huge=np.float32(3e38))  # fmt: skip


def constant_answer() -> bytes:
    """Answers the same to everything: the cheapest model there is."""
    return _model(
        [
            _node("ReduceSum", "features axes", "sum", keepdims=0),
            _node("Unsqueeze", "sum one", "column"),
            _node("Mul", "column zeros", "logits"),
        ],
        axes=np.array([1, 2]),
        one=np.array([1]),
        zeros=np.zeros(2, np.float32),
    )


def three_logits() -> bytes:
    """Says that it has three outputs a clip."""
    return _edited(
        _node("Concat", "inner inner", "logits", axis=1), output=("logits", 1, ["batch", 4])
    )


def declares_another_shape() -> bytes:
    """Declares two logits and computes four."""
    return _edited(_node("Concat", "inner inner", "logits", axis=1))


def other_names() -> bytes:
    """Calls its output something else."""
    return _edited(_node("Identity", "inner", "answers"), output=("answers", 1, ["batch", 2]))


def other_input_type() -> bytes:
    """Takes float64, which is not what is sent."""
    return _model(
        [
            _node("Cast", "features", "small", to=TensorProto.FLOAT),
            _node("ReduceMean", "small", "mean", axes=[2], keepdims=0),
            _node("MatMul", "mean w", "logits"),
        ],
        inputs=[("features", TensorProto.DOUBLE, ["batch", 40, 101])],
        w=np.ones((40, 2), np.float32),
    )


def whole_number_logits() -> bytes:
    """Answers with whole numbers."""
    return _edited(_node("Cast", "inner", "logits", to=TensorProto.INT64), output=WHOLE)


def two_outputs() -> bytes:
    """Has a second output, to get at what is inside."""
    model = _reference()
    model.graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, None))
    model.graph.node.append(helper.make_node("Identity", ["logits"], ["second"]))
    return model.SerializeToString()


def second_input() -> bytes:
    """Wants a second input: the label."""
    return _edited(
        _node("Add", "inner label", "logits"),
        inputs=[FEATURES, ("label", TensorProto.FLOAT, ["batch", 2])],
    )


def input_with_a_default() -> bytes:
    """Keeps weights as default values of inputs, which anyone could replace."""
    model = _reference()
    weight = model.graph.initializer[0]
    model.graph.input.append(
        helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
    )
    return model.SerializeToString()


def free_time_axis() -> bytes:
    """Leaves the length of a clip open, so that its work has no size."""
    model = _reference()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "time"
    return model.SerializeToString()


# Sizes ----------------------------------------------------------------------------------------


def memory_by_one_constant() -> bytes:
    """Asks for 16 GB with ConstantOfShape, in a file of a few kilobytes."""
    return _edited(
        _node("ConstantOfShape", "size", "zeros"),
        _node("ReduceSum", "zeros", "zero", keepdims=0),
        _node("Add", "inner zero", "logits"),
        size=np.array([2**32]),
    )


def memory_by_repetition() -> bytes:
    """Repeats the input until it fills the memory."""
    return _edited(
        _node("Tile", "features times", "many"),
        _node("ReduceMax", "many", "one", keepdims=0),
        _node("Sub", "one one", "zero"),
        _node("Add", "inner zero", "logits"),
        times=np.array([1, 1000, 1000]),
    )


def memory_in_allowed_pieces() -> bytes:
    """Keeps nine tensors alive, each just within the limit, all together beyond it."""
    nodes = [
        _node("Expand", "features size", "piece0"),
        *(_node("Exp", f"piece{i}", f"piece{i + 1}") for i in range(8)),
        _node("Sum", " ".join(f"piece{i}" for i in range(9)), "all"),
        _node("ReduceMin", "all", "least", keepdims=0),
        _node("Sub", "least least", "zero"),
        _node("Add", "inner zero", "logits"),
    ]
    return _edited(*nodes, size=np.array([28_000, 1, 40, 101]))


def slow_within_the_limits() -> bytes:
    """Multiplies large matrices for minutes: the clock stops what the counter allows."""
    nodes = [
        _node("ReduceMean", "features", "seed", axes=[1, 2], keepdims=0),
        _node("Unsqueeze", "seed one", "column"),
        _node("Mul", "column row", "wide"),
        _node("Reshape", "wide square", "m0"),
        *(_node("MatMul", f"m{i} m{i}", f"m{i + 1}") for i in range(40)),
        _node("ReduceMax", "m40", "most", keepdims=0),
        _node("Min", "most nothing", "least"),
        _node("Add", "inner least", "logits"),
    ]
    return _edited(
        *nodes,
        one=np.array([1]),
        row=np.zeros((1, 1500 * 1500), np.float32),
        square=np.array([1500, 1500]),
        nothing=np.float32(0),
    )


def slow_before_it_runs() -> bytes:
    """Makes ONNX Runtime multiply constants for minutes while the model is loaded."""
    return _edited(
        _node("Expand", "tiny size", "m0"),
        *(_node("MatMul", f"m{i} m{i}", f"m{i + 1}") for i in range(200)),
        _node("ReduceMax", "m200", "most", keepdims=0),
        _node("Add", "inner most", "logits"),
        tiny=np.float32(0),
        size=np.array([3000, 3000]),
    )


def large_metadata() -> bytes:
    """Carries 65 MB of metadata, more than a file may have."""
    model = _reference()
    entry = model.metadata_props.add()
    entry.key, entry.value = "notes", "x" * (65 * 2**20)
    return model.SerializeToString()


def long_names() -> bytes:
    """Has a name of a million characters, with control characters, to flood a page."""
    return _edited(_node("Identity", "inner", "logits", name="<b>\x1b[2J" + "n" * 10**6))


def million_nodes() -> bytes:
    """A chain of a million nodes that do nothing."""
    links = b"".join(
        b"\x0a\x22" + b"\x0a\x08a%07d\x12\x08a%07d\x22\x08Identity" % (i, i + 1)
        + b"\x2a\x02\x0a\x00"
        for i in range(1_000_000)
    )  # fmt: skip
    return _reference().SerializeToString() + b"\x3a" + _varint(len(links)) + links


def nested_graphs() -> bytes:
    """Nests graphs within graphs until a recursive reader runs out of stack."""
    raw = b""
    for _ in range(5_000):  # AttributeProto.g (6) in NodeProto.attribute (5) in GraphProto.node (1)
        for key in (b"\x32", b"\x2a", b"\x0a"):
            raw = key + _varint(len(raw)) + raw
    return _reference().SerializeToString() + b"\x3a" + _varint(len(raw)) + raw


def negative_dimension() -> bytes:
    """Declares a tensor with a negative dimension."""
    return _with_tensor(dims=[-1, 4], data_type=TensorProto.FLOAT, raw_data=b"\0" * 16)


def overflowing_dimensions() -> bytes:
    """Declares dimensions whose product overflows 64 bits and comes out small."""
    return _with_tensor(dims=[2**32, 2**32], data_type=TensorProto.FLOAT, raw_data=b"")


def less_data_than_declared() -> bytes:
    """Declares a gigabyte of weights and stores none: reading beyond the end is not ours to do."""
    return _with_tensor(dims=[2**14, 2**14], data_type=TensorProto.FLOAT, raw_data=b"")


def huge_sparse_tensor() -> bytes:
    """Stores one number of a sparse tensor that would be a terabyte dense."""
    model = _reference()
    sparse = model.graph.sparse_initializer.add(dims=[2**20, 2**20])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "sparse"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "sparse_indices"))
    return model.SerializeToString()


# Weights in hiding ------------------------------------------------------------------------------


def weights_in_constants() -> bytes:
    """Moves all weights into Constant nodes, where a counter of initializers sees none."""
    model = _reference()
    nodes = [
        helper.make_node("Constant", [], [weight.name], value=weight)
        for weight in model.graph.initializer
    ]
    return _replaced(model, nodes)


def weights_in_attributes() -> bytes:
    """Keeps its classifier as a list of floats in an attribute."""
    model = _reference()
    values = np.random.default_rng(0).normal(size=60_000)
    constant = helper.make_node("Constant", [], ["hidden"], value_floats=values.tolist())
    model.graph.node.insert(0, constant)
    return model.SerializeToString()


def weights_in_a_function() -> bytes:
    """Keeps 240 kB of weights inside the body of a local function."""
    weight = numpy_helper.from_array(np.ones((60_000,), np.float32))
    body = [
        helper.make_node("Constant", [], ["w"], value=weight),
        helper.make_node("ReduceMin", ["w"], ["least"], keepdims=0),
        helper.make_node("Mul", ["x", "least"], ["y"]),
    ]
    model = _reference_with(helper.make_node("Hide", ["inner"], ["logits"], domain="own"))
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Hide", ["x"], ["y"], body, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model.SerializeToString()


def random_weights_from_a_seed() -> bytes:
    """Makes its weights with RandomNormal and a seed: thousands of weights, no bytes."""
    return _edited(
        _node("RandomNormal", "", "weights", shape=[2, 2], seed=1.0),
        _node("MatMul", "inner weights", "logits"),
    )


def random_features_for_free() -> bytes:
    """Makes a projection out of Range and Sin, which store nothing: no better than chance."""
    return _model(
        [
            _node("Range", "zero size step", "steps"),
            _node("Mul", "steps steps", "squares"),
            _node("Sin", "squares", "waves"),
            _node("Reshape", "waves shape", "projection"),
            _node("ReduceMean", "features", "mean", axes=[2], keepdims=0),
            _node("MatMul", "mean projection", "logits"),
        ],
        zero=np.float32(0),
        size=np.float32(80),
        step=np.float32(1),
        shape=np.array([40, 2]),
    )


def weights_by_repetition() -> bytes:
    """Makes a matrix by repeating one column: few bytes, and as little knowledge."""
    return _model(
        [
            _node("Tile", "column twice", "matrix"),
            _node("ReduceMean", "features", "mean", axes=[2], keepdims=0),
            _node("MatMul", "mean matrix", "logits"),
        ],
        column=np.linspace(-1, 1, 40, dtype=np.float32)[:, None],
        twice=np.array([1, 2]),
    )


def identity_from_eyelike() -> bytes:
    """Multiplies by a matrix that EyeLike makes: work that stores no weights is still work."""
    return _edited(
        _node("ConstantOfShape", "size", "square"),
        _node("EyeLike", "square", "identity"),
        _node("MatMul", "inner identity", "logits"),
        size=np.array([2, 2]),
    )


def matmul_as_mul_and_sum() -> bytes:
    """Writes a matrix product as Mul and ReduceSum, which some counters take for free."""
    weight = np.random.default_rng(0).normal(size=(1, 40, 4000)).astype(np.float32)
    return _edited(
        _node("ReduceMean", "features", "mean", axes=[2], keepdims=1),
        _node("Mul", "mean weight", "products"),
        _node("ReduceSum", "products axis", "sums", keepdims=0),
        _node("ReduceMax", "sums", "one", axes=[1], keepdims=1),
        _node("Sub", "one one", "zero"),
        _node("Add", "inner zero", "logits"),
        weight=weight.astype(np.float16).astype(np.float32),
        axis=np.array([1]),
    )


def multiplication_by_logarithms() -> bytes:
    """Multiplies by adding logarithms, to show no multiplications."""
    return _edited(
        _node("Add", "features logarithms", "sums"),
        _node("Exp", "sums", "products"),
        _node("ReduceMax", "products", "one", keepdims=0),
        _node("Sub", "one one", "zero"),
        _node("Add", "inner zero", "logits"),
        logarithms=np.zeros((40, 101), np.float32),
    )


def quantized_with_scale_zero() -> bytes:
    """Quantizes with a scale of 0, which makes NaN or nothing, silently."""
    return _edited(
        _node("QuantizeLinear", "inner scale point", "small"),
        _node("DequantizeLinear", "small scale point", "logits"),
        scale=np.float32(0),
        point=np.int8(0),
    )


def quantized_with_scale_nan() -> bytes:
    """Quantizes with a scale that is not a number."""
    return _edited(
        _node("QuantizeLinear", "inner scale point", "small"),
        _node("DequantizeLinear", "small scale point", "logits"),
        scale=np.float32("nan"),
        point=np.int8(0),
    )


# Files beside it --------------------------------------------------------------------------------


def external_data() -> bytes:
    """Keeps weights in a file beside it, which nobody would count."""
    return _external("weights.bin")


def external_data_absolute() -> bytes:
    """Reads weights from an absolute path: any file of the grader's machine."""
    return _external("/etc/passwd")


def external_data_above() -> bytes:
    """Reads weights from above its folder: another student's, the reference's."""
    return _external("../../../../../../../etc/passwd")


def external_data_in_a_constant() -> bytes:
    """Refers to another file from inside a Constant node."""
    tensor = TensorProto(dims=[4], data_type=TensorProto.FLOAT, data_location=1)
    tensor.external_data.add(key="location", value="../secret")
    model = _reference()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["hidden"], value=tensor))
    return model.SerializeToString()


# Operators --------------------------------------------------------------------------------------


def operator_of_the_runtime() -> bytes:
    """Uses a fused operator of ONNX Runtime, which the counter does not know."""
    return _edited(
        _node("FusedMatMul", "inner square", "logits", domain="com.microsoft"),
        domains=["com.microsoft"],
        square=np.eye(2, dtype=np.float32),
    )


def operator_of_python() -> bytes:
    """Names an operator that would run Python."""
    return _edited(
        _node("PyOp", "inner", "logits", domain="ai.onnx.contrib", code="import os"),
        domains=["ai.onnx.contrib"],
    )


def operator_with_a_script_for_a_name() -> bytes:
    """Names an operator so that a careless page or terminal runs it."""
    return _edited(_node("<script>alert(1)</script>\x1b[31m", "inner", "logits"))


def operator_on_strings() -> bytes:
    """Turns numbers into strings and back, where nothing is counted."""
    return _edited(
        _node("Cast", "inner", "text", to=TensorProto.STRING),
        _node("Cast", "text", "logits", to=TensorProto.FLOAT),
    )


def size_from_data() -> bytes:
    """Makes tensors whose size depends on the data: its work has no bound."""
    return _edited(
        _node("NonZero", "features", "where"),
        _node("Cast", "where", "numbers", to=TensorProto.FLOAT),
        _node("ReduceMax", "numbers", "one", keepdims=0),
        _node("Sub", "one one", "zero"),
        _node("Add", "inner zero", "logits"),
    )


def function_that_calls_itself() -> bytes:
    """Defines a function that calls itself, to be inlined for ever."""
    model = _reference_with(helper.make_node("Again", ["inner"], ["logits"], domain="own"))
    body = [helper.make_node("Again", ["x"], ["y"], domain="own")]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", "Again", ["x"], ["y"], body, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model.SerializeToString()


def functions_that_explode() -> bytes:
    """Forty functions that each call the next one twice: a trillion nodes once inlined."""
    model = _reference_with(helper.make_node("F0", ["inner"], ["logits"], domain="own"))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for level in range(40):
        following = f"F{level + 1}" if level < 39 else "Identity"
        domain = "own" if level < 39 else ""
        body = [
            helper.make_node(following, ["x"], ["m"], domain=domain),
            helper.make_node(following, ["m"], ["y"], domain=domain),
        ]
        model.functions.append(
            helper.make_function("own", f"F{level}", ["x"], ["y"], body, imports)
        )
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model.SerializeToString()


def replaces_a_standard_operator() -> bytes:
    """Defines its own Softmax in the standard domain, to be counted as one and do another thing."""
    model = _reference()
    body = [helper.make_node("Identity", ["x"], ["y"])]
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "Softmax", ["x"], ["y"], body, imports))
    return model.SerializeToString()


def training_information() -> bytes:
    """Contains training information, a second graph that nobody looks at."""
    model = _reference()
    training = model.training_info.add()
    training.algorithm.CopyFrom(model.graph)
    return model.SerializeToString()


def opset_of_the_future() -> bytes:
    """Says opset 99, where operators may mean anything."""
    model = _reference()
    model.opset_import[0].version = 99
    return model.SerializeToString()


def opset_twice() -> bytes:
    """Says two opsets, so that counter and runtime may each believe another."""
    model = _reference()
    model.opset_import.append(helper.make_opsetid("ai.onnx", 13))
    return model.SerializeToString()


def ir_version_of_the_future() -> bytes:
    """Says a version of the format that does not exist."""
    model = _reference()
    model.ir_version = 10**6
    return model.SerializeToString()


# Graphs and files that are broken ---------------------------------------------------------------


def cycle() -> bytes:
    """Two nodes that wait for each other."""
    return _edited(_node("Add", "inner there", "here"), _node("Identity", "here", "there"),
                   _node("Identity", "here", "logits"))  # fmt: skip


def name_defined_twice() -> bytes:
    """Defines one name twice: counter and runtime may each take another one."""
    return _edited(_node("Identity", "inner", "logits"), _node("Neg", "inner", "logits"))


def name_shadowed_by_a_weight() -> bytes:
    """Stores a tensor under the name of a computed one."""
    model = _reference()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 2), np.float32), "logits"))
    return model.SerializeToString()


def truncated() -> bytes:
    """Ends in the middle, as after a broken upload."""
    return _reference().SerializeToString()[:-700]


def empty_file() -> bytes:
    """Is empty."""
    return b""


def random_bytes() -> bytes:
    """Is noise."""
    return np.random.default_rng(0).bytes(10_000)


def text_instead() -> bytes:
    """Is a Python program that was renamed."""
    return b"import os\nos.system('true')\n" * 100


def pickle_renamed() -> bytes:
    """Is a pickle that was renamed, and runs a command when it is opened as one."""
    return b"cposix\nsystem\n(S'touch /tmp/left-behind-pickle'\ntR."


ATTACKS: dict[str, Callable[[], bytes]] = {
    name: made
    for name, made in list(globals().items())
    if getattr(made, "__module__", "") == __name__ and name[0] != "_"
    if name not in ("build", "public_clips")
}


# Helpers ----------------------------------------------------------------------------------------


@cache
def _reference_bytes() -> bytes:
    return REFERENCE.read_bytes()


def _reference() -> onnx.ModelProto:
    return onnx.load_from_string(_reference_bytes())


def _node(op: str, inputs: str, outputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def _reference_with(*nodes: NodeProto) -> onnx.ModelProto:
    """The reference, its answer called `inner`, and `nodes` that make `logits` of it."""
    model = _reference()
    for node in model.graph.node:
        for position, name in enumerate(node.output):
            if name == "logits":
                node.output[position] = "inner"
    model.graph.node.extend(nodes)
    return model


def _edited(
    *nodes: NodeProto,
    inputs: Sequence[tuple] | None = None,
    output: tuple | None = None,
    domains: Sequence[str] = (),
    **stored: np.ndarray | np.generic,
) -> bytes:
    model = _reference_with(*nodes)
    graph = model.graph
    graph.initializer.extend(_tensors(stored))
    if inputs:
        del graph.input[:]
        graph.input.extend(helper.make_tensor_value_info(*each) for each in inputs)
    if output:
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info(*output))
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
    return model.SerializeToString()


def _model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[tuple] = (FEATURES,),
    **stored: np.ndarray | np.generic,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*LOGITS)],
        _tensors(stored),
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def _tensors(stored: dict) -> list[TensorProto]:
    return [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]


def _branch(name: str, nodes: list[NodeProto]) -> onnx.GraphProto:
    output = helper.make_tensor_value_info(f"{name}_logits", TensorProto.FLOAT, None)
    return helper.make_graph(nodes, name, [], [output])


def _replaced(model: onnx.ModelProto, first: list[NodeProto]) -> bytes:
    """The model with `first` in place of its initializers."""
    nodes = [*first, *model.graph.node]
    del model.graph.node[:]
    del model.graph.initializer[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def _with_tensor(**fields: object) -> bytes:
    model = _reference()
    model.graph.initializer.add(name="stored", **fields)
    return model.SerializeToString()


def _external(location: str) -> bytes:
    model = _reference()
    weight = max(model.graph.initializer, key=lambda each: math.prod(each.dims))
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return model.SerializeToString()


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
