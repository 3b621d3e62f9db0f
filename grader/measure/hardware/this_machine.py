"""This machine as a platform, and a model's operators timed on it.

One process of the sandbox, ONNX Runtime with one thread, times in turn: the whole model, each of
its operators alone, a matrix product (the peak), a pass over as many numbers as the model holds
(the bandwidth, that of the caches for a model that fits into them), and a chain of operators on one
number (the overhead), so that predicted and measured times see the same load of the machine.
"""

from __future__ import annotations

import platform as host
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import psutil
from onnx import ModelProto, NodeProto, SparseTensorProto, TensorProto, helper

from grader.lesson.spec import RunLimits
from grader.measure.costs.parsing import standard_opset
from grader.measure.costs.refusals import GraphLimits
from grader.measure.costs.storage import DTYPES
from grader.measure.costs.view import Value
from grader.measure.costs.walk import Step, Walk, walk_file
from grader.measure.hardware.platforms import DType, Figure, Memory, Platform
from grader.measure.hardware.roofline import Prediction, predict
from grader.measure.hardware.traffic import VIEWS, named
from grader.measure.hardware.workload import Workload
from grader.sandbox.runners.rows import TimedModel, time_models
from grader.text import Text, verbatim

NAME = "this-machine"
SIDE = 320
"""Rows and columns of the square matrices that are multiplied."""
LEAST_COPIED, MOST_COPIED = 2**14, 2**23
"""float32 numbers that the pass over memory reads; it writes as many."""
CHAIN = 200
"""Operators of the chain."""
LIMITS = RunLimits(wall_seconds=300.0, cpu_seconds=300.0, memory_bytes=4 * 2**30)
OPSET, IR_VERSION = 17, 8
_HOW = Text("measured in the same run, ONNX Runtime, one thread")


@dataclass(frozen=True)
class Calibration:
    """The best rates of this machine with one thread. Fastest rounds, because a roof should not
    depend on other programs."""

    macs_per_second: dict[DType, float]
    bytes_per_second: float
    overhead_s: float
    """Overhead of one operator inside a graph."""
    call_s: float
    """Time of one call from Python, besides its operators."""


@dataclass(frozen=True)
class Measured:
    """Predicted and measured times of a model on this machine."""

    prediction: Prediction
    calibration: Calibration
    seconds: float
    """The fastest round of the whole model, without the call from Python."""
    median_s: float
    """The median round of the same, which other programs of the machine slow down."""
    by_layer: Mapping[str, float]
    """The fastest round of each operator alone, by name."""
    rounds: int


def measure(
    model: bytes,
    workload: Workload,
    *,
    sizes: Mapping[str, int] | None = None,
    rounds: int = 40,
    seconds: float = 20.0,
) -> Measured:
    """Time the model of `workload` here. Raises Stopped when it does not run."""
    entire, operators = cut(model, batch=workload.batch, sizes=sizes)
    parts = {work.name: operators[work.name] for work in workload.works}
    # Reading and writing so many numbers moves what the model holds.
    held = workload.weights.bytes() + workload.peak_activation_bytes()
    copied = min(max(held // 8, LEAST_COPIED), MOST_COPIED)
    probes = _probes({work.dtype for work in workload.works}, copied)
    asked = [*probes.values(), entire, *parts.values()]
    found = time_models(asked, LIMITS, rounds=rounds, seconds=seconds)
    fastest = np.nanmin(found, axis=1).tolist()
    calibration = _calibration(dict(zip(probes, fastest, strict=False)), copied)
    whole = found[len(probes)]
    call = calibration.call_s
    alone = [max(each - call, 0.0) for each in fastest[len(probes) + 1 :]]
    return Measured(
        prediction=predict(workload, as_platform(calibration)),
        calibration=calibration,
        seconds=max(fastest[len(probes)] - call, 0.0),
        median_s=max(float(np.nanmedian(whole)) - call, 0.0),
        by_layer=dict(zip(parts, alone, strict=True)),
        rounds=int(np.isfinite(whole).sum()),
    )


def cut(
    model: bytes, *, batch: int = 1, sizes: Mapping[str, int] | None = None
) -> tuple[TimedModel, dict[str, TimedModel]]:
    """`model` whole at a batch size, and models of each of its operators alone by name.

    Views and operators that run when the model is loaded are not among the parts. Raises Refused as
    traffic.of_onnx does.
    """
    limits = GraphLimits(batches=(1,), sizes=dict(sizes or {}))
    parsed, walked = walk_file(model, batch, limits)
    cutter = _Cutter(parsed, standard_opset(parsed, limits), walked)
    running = named(step for step in walked.steps if not step.constant)
    given = [info.name for info in parsed.graph.input if not walked.values[info.name].constant]
    ports = tuple(_port(name, walked.values[name]) for name in given)
    parts = {name: cutter.part(step) for name, step in running if step.node.op not in VIEWS}
    return TimedModel(model, ports), parts


def as_platform(calibration: Calibration) -> Platform:
    """This machine's one thread as a platform of the catalogue."""

    def figure(value: float) -> Figure:
        return Figure(value=value, source=NAME, basis="measured", how=_HOW)

    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return Platform(
        name=NAME,
        title=Text("this machine, one thread"),
        kind="laptop",
        price="500 to 2,000 USD",
        clock_hz=figure((frequency.current if frequency else 0.0) * 1e6 or 1.0),
        memory=Memory(ram=figure(float(psutil.virtual_memory().total))),
        bandwidth=figure(calibration.bytes_per_second),
        peak={dtype: figure(rate) for dtype, rate in calibration.macs_per_second.items()},
        overhead_s=figure(calibration.overhead_s),
        note=verbatim(host.processor() or host.machine()),
    )


def _probes(dtypes: set[DType], copied: int) -> dict[str, TimedModel]:
    single, unsigned, signed = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8
    probes = {
        "float32": _product("MatMul", single, single, single),
        "copy": _chain(1, copied),
        "one": _chain(1, 1),
        "chain": _chain(CHAIN, 1),
    }
    if "int8" in dtypes:
        probes["int8"] = _product("MatMulInteger", unsigned, signed, TensorProto.INT32)
    return probes


def _calibration(seconds: Mapping[str, float], copied: int) -> Calibration:
    overhead = max((seconds["chain"] - seconds["one"]) / (CHAIN - 1), 1e-9)
    call = max(seconds["one"] - overhead, 0.0)
    macs = SIDE**3
    dtypes: tuple[DType, ...] = ("float32", "int8")
    return Calibration(
        macs_per_second={d: macs / max(seconds[d] - call, 1e-9) for d in dtypes if d in seconds},
        bytes_per_second=2 * 4 * copied / max(seconds["copy"] - call, 1e-9),
        overhead_s=overhead,
        call_s=call,
    )


def _product(op: str, given: int, stored: int, made: int) -> TimedModel:
    """A product with a constant matrix, as in a layer. Quantized activations are unsigned, since
    processors have instructions for unsigned times signed."""
    weight = np.ones((SIDE, SIDE), helper.tensor_dtype_to_np_dtype(stored))
    graph = helper.make_graph(
        [helper.make_node(op, ["a", "b"], ["c"])],
        "probe",
        [helper.make_tensor_value_info("a", given, (SIDE, SIDE))],
        [helper.make_tensor_value_info("c", made, (SIDE, SIDE))],
        [onnx.numpy_helper.from_array(weight, "b")],
    )
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(given)).name
    return TimedModel(_model(graph), (("a", dtype, (SIDE, SIDE)),))


def _chain(length: int, numbers: int) -> TimedModel:
    """A chain of `length` negations of `numbers` numbers."""
    nodes = [helper.make_node("Neg", [f"x{i}"], [f"x{i + 1}"]) for i in range(length)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (numbers,))
        for name in ("x0", f"x{length}")
    ]
    graph = helper.make_graph(nodes, "probe", ends[:1], ends[1:])
    return TimedModel(_model(graph), (("x0", "float32", (numbers,)),))


def _model(graph: onnx.GraphProto, opset: int = OPSET, ir_version: int = IR_VERSION) -> bytes:
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
    return model.SerializeToString()


class _Cutter:
    """Makes models of single operators from one model."""

    def __init__(self, model: ModelProto, opset: int, walked: Walk) -> None:
        self._ir_version, self._opset, self._values = model.ir_version, opset, walked.values
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._sparse = {one.values.name: one for one in model.graph.sparse_initializer}
        self._makers = {
            name: step.node.proto
            for step in walked.steps
            if step.constant
            for name in step.node.outputs
        }

    def part(self, step: Step) -> TimedModel:
        """A model of this operator alone, with the constants that it reads; its data are inputs."""
        stored: dict[str, TensorProto] = {}
        sparse: dict[str, SparseTensorProto] = {}
        makers: list[NodeProto] = []
        data: dict[str, Value] = {}

        def collect(node: NodeProto) -> None:
            for name in filter(None, node.input):
                maker = self._makers.get(name)
                if name in self._stored:
                    stored[name] = self._stored[name]
                elif name in self._sparse:
                    sparse[name] = self._sparse[name]
                elif maker is None:
                    data[name] = self._values[name]
                elif maker not in makers:
                    collect(maker)
                    makers.append(maker)

        collect(step.node.proto)
        graph = helper.make_graph(
            [*makers, step.node.proto],
            "part",
            [_info(name, value) for name, value in data.items()],
            [_info(name, self._values[name]) for name in step.node.outputs if name],
            list(stored.values()),
            sparse_initializer=list(sparse.values()),
        )
        ports = tuple(_port(name, value) for name, value in data.items())
        return TimedModel(_model(graph, self._opset, self._ir_version), ports)


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, value.dtype, value.shape)


def _port(name: str, value: Value) -> tuple[str, str, tuple[int, ...]]:
    return name, DTYPES[value.dtype].name, value.shape
