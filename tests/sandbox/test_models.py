"""A model in the sandbox: its answers, and the status of each bad ending, at every level."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners.rows import Job, run_onnx

pytestmark = pytest.mark.usefixtures("level")

ROWS = 600
LIMITS = RunLimits(wall_seconds=120, cpu_seconds=60, memory_bytes=512 * 2**20)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inputs") / "inputs.npy"
    np.save(path, np.random.default_rng(0).normal(size=(ROWS, 3, 4)).astype(np.float32))
    return path


def model(
    *nodes: onnx.NodeProto, constants: dict[str, np.ndarray] | None = None, opset: int = 18
) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


def sums() -> bytes:
    """y = the sum over the last axis: (batch, 3)."""
    return model(
        helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0),
        constants={"axis": np.array([2])},
    )


def slow() -> bytes:
    """Multiplies a 1,500 x 1,500 matrix by itself for every batch, a hundred times."""
    nodes = [helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(100)]
    nodes[0] = helper.make_node("Add", ["m0", "zero"], ["m1"])
    return model(
        helper.make_node("ReduceMin", ["x"], ["low"], keepdims=0),
        helper.make_node("Mul", ["low", "none"], ["zero"]),
        *nodes,
        helper.make_node("ReduceSum", ["m100"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["x", "axis"], ["s"], keepdims=0),
        helper.make_node("Add", ["s", "total"], ["y"]),
        constants={
            "m0": np.eye(1500, dtype=np.float32),
            "none": np.float32(0),
            "axis": np.array([2]),
        },
    )


def test_answers_are_those_of_the_model(inputs: Path) -> None:
    run = run_onnx(Job(sums(), inputs, (3,), baseline=sums(), singles=(5, 7, 599)), LIMITS)
    expected = np.load(inputs).sum(axis=2)
    np.testing.assert_allclose(run.outputs, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run.singles, expected[[5, 7, 599]], rtol=1e-5, atol=1e-5)
    assert (run.seconds_per_single > 0).all()
    assert (run.baseline_seconds_per_single > 0).all()


def test_no_row_influences_another(inputs: Path) -> None:
    """A model that averages over the batch sees batches of one."""
    averaged = model(
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("ReduceSum", ["centred", "axis"], ["y"], keepdims=0),
        constants={"axis": np.array([2])},
        opset=17,
    )
    run = run_onnx(Job(averaged, inputs, (3,)), LIMITS)
    assert np.abs(run.outputs).max() == 0


def test_a_number_of_rows_that_is_no_multiple_of_the_batch(inputs: Path) -> None:
    run = run_onnx(Job(sums(), inputs, (3,), batch=7), LIMITS)
    np.testing.assert_allclose(run.outputs, np.load(inputs).sum(axis=2), rtol=1e-5, atol=1e-5)


def ending(job: Job, limits: RunLimits = LIMITS) -> Stopped:
    with pytest.raises(Stopped) as caught:
        run_onnx(job, limits)
    assert caught.value.text.to("en")
    assert caught.value.text.to("ru")
    assert caught.value.text.to("en") != caught.value.text.to("ru")
    assert "Traceback" not in caught.value.text.to("en")
    return caught.value


def test_file_that_is_no_model_is_rejected(inputs: Path) -> None:
    assert ending(Job(b"not a model", inputs, (3,))).status is Status.REJECTED


def test_wrong_output_shape_is_rejected_with_both_shapes(inputs: Path) -> None:
    ended = ending(Job(sums(), inputs, (2,)))
    assert ended.status is Status.REJECTED
    assert "(1, 2)" in ended.text.to("en")
    assert "(1, 3)" in ended.text.to("en")


def test_a_model_without_inputs_is_rejected(inputs: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["y"])],
        "test",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.zeros((1, 3), np.float32), "c")],
    )
    imports = [helper.make_opsetid("", 18)]
    made = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    ended = ending(Job(made, inputs, (3,)))
    assert ended.status is Status.REJECTED
    assert "0 inputs and 1 outputs" in ended.text.to("en")


def test_failure_while_running_is_rejected(inputs: Path) -> None:
    reshape = model(
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
        constants={"shape": np.array([5, 5])},
    )
    ended = ending(Job(reshape, inputs, (3,)))
    assert ended.status is Status.REJECTED
    assert "fails when it runs" in ended.text.to("en")


def test_a_crash_of_onnx_runtime_is_called_one(inputs: Path) -> None:
    """A GRU over no steps ends its process with SIGABRT."""
    weights = {"w": (1, 12, 4), "r": (1, 12, 4)}
    crashing = model(
        helper.make_node("Slice", ["x", "zero", "zero", "axis"], ["none"]),
        helper.make_node("Transpose", ["none"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("GRU", ["steps", "w", "r"], ["all", "last"], hidden_size=4),
        helper.make_node("Squeeze", ["last", "zero"], ["y"]),
        constants={
            **{name: np.ones(shape, np.float32) for name, shape in weights.items()},
            "zero": np.array([0]),
            "axis": np.array([1]),
        },
    )
    ended = ending(Job(crashing, inputs, (4,)))
    assert ended.status is Status.CRASHED
    assert "ONNX Runtime itself crashed (SIGABRT)" in ended.text.to("en")


def test_time_out(inputs: Path) -> None:
    ended = ending(Job(slow(), inputs, (3,)), RunLimits(wall_seconds=2.0, cpu_seconds=60))
    assert ended.status is Status.TIMED_OUT


@pytest.mark.skipif(sys.platform != "linux", reason="needs a kernel that limits processor time")
def test_processor_time_is_limited_too(inputs: Path) -> None:
    ended = ending(Job(slow(), inputs, (3,)), RunLimits(wall_seconds=60, cpu_seconds=1))
    assert ended.status is Status.TIMED_OUT


def test_the_baseline_is_loaded_once_and_each_gets_its_own_answers(inputs: Path) -> None:
    doubled = model(
        helper.make_node("ReduceSum", ["x", "axis"], ["s"], keepdims=0),
        helper.make_node("Mul", ["s", "two"], ["y"]),
        constants={"axis": np.array([2]), "two": np.float32(2)},
    )
    expected = np.load(inputs).sum(axis=2)
    for artefact, factor in ((sums(), 1), (doubled, 2), (sums(), 1)):
        run = run_onnx(Job(artefact, inputs, (3,), baseline=doubled, singles=(1,)), LIMITS)
        np.testing.assert_allclose(run.outputs, factor * expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(run.singles, factor * expected[[1]], rtol=1e-4, atol=1e-4)


def test_a_crash_of_one_leaves_the_next_its_usual_answers(inputs: Path) -> None:
    for _ in range(3):
        assert ending(Job(b"not a model", inputs, (3,))).status is Status.REJECTED
        run = run_onnx(Job(sums(), inputs, (3,)), LIMITS)
        np.testing.assert_allclose(run.outputs, np.load(inputs).sum(axis=2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gigabytes", [1, 40])
def test_out_of_memory(inputs: Path, gigabytes: int) -> None:
    side = int((gigabytes * 2**30 / 4) ** 0.5)
    hungry = model(
        helper.make_node("ReduceMin", ["x"], ["low"], keepdims=0),
        helper.make_node("Expand", ["low", "shape"], ["huge"]),
        helper.make_node("Exp", ["huge"], ["huge2"]),
        helper.make_node("ReduceSum", ["huge2"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["x", "axis"], ["s"], keepdims=0),
        helper.make_node("Add", ["s", "total"], ["y"]),
        constants={"shape": np.array([side, side]), "axis": np.array([2])},
    )
    assert ending(Job(hungry, inputs, (3,))).status is Status.OUT_OF_MEMORY
