"""The machine that this runs on as a platform, and a model's operators timed on it.

One child of the sandbox, ONNX Runtime with one thread, times in turn: the model whole, each of its
operators alone, a product of matrices (the peak), a pass over as many numbers as the model holds
(the bandwidth, of caches where it lives in caches), and a chain of operators on one number (the
overhead). Predicted and measured come from the same minute.
"""

from __future__ import annotations

import platform as host
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper

from grader.lesson.spec import RunLimits
from grader.measure.costs.cutting import cut
from grader.measure.hardware.platforms import DType, Figure, Memory, Platform
from grader.measure.hardware.roofline import Prediction, predict
from grader.measure.hardware.workload import Workload
from grader.sandbox.runners.rows import TimedModel, time_models
from grader.text import Text

NAME = "this-machine"
SIDE = 320
"""Of the square matrices that are multiplied."""
LEAST_COPIED, MOST_COPIED = 2**14, 2**23
"""float32 numbers of the pass over memory: as many in as out."""
CHAIN = 200
LIMITS = RunLimits(wall_seconds=300.0, cpu_seconds=300.0, memory_bytes=4 * 2**30)
OPSET, IR_VERSION = 17, 8


@dataclass(frozen=True)
class Calibration:
    """What this machine reached at its best, one thread: a roof, so other programs count for
    nothing."""

    macs_per_second: dict[DType, float]
    bytes_per_second: float
    overhead_s: float
    """Of one operator inside a graph."""
    call_s: float
    """Of one call from Python, besides its operators."""


@dataclass(frozen=True)
class Measured:
    """A model on this machine: what was predicted, and what it took."""

    prediction: Prediction
    calibration: Calibration
    seconds: float
    """The model whole, its fastest round, without the call from Python."""
    median_s: float
    """The same in the median round: other programs of the machine count here."""
    by_layer: Mapping[str, float]
    """Each operator alone, its fastest round, by name."""
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
    pieces = cut(model, batch=workload.batch, sizes=sizes)
    parts = {work.name: pieces.parts[work.name] for work in workload.works}
    copied = _copied(workload)
    gauges = _gauges({work.dtype for work in workload.works}, copied)
    asked = [*gauges.values(), pieces.whole, *parts.values()]
    found = time_models(asked, LIMITS, rounds=rounds, seconds=seconds)
    fastest = np.nanmin(found, axis=1).tolist()
    calibration = _calibration(dict(zip(gauges, fastest, strict=False)), copied)
    whole = found[len(gauges)]
    call = calibration.call_s
    alone = [max(each - call, 0.0) for each in fastest[len(gauges) + 1 :]]
    return Measured(
        prediction=predict(workload, as_platform(calibration)),
        calibration=calibration,
        seconds=max(fastest[len(gauges)] - call, 0.0),
        median_s=max(float(np.nanmedian(whole)) - call, 0.0),
        by_layer=dict(zip(parts, alone, strict=True)),
        rounds=int(np.isfinite(whole).sum()),
    )


def as_platform(calibration: Calibration) -> Platform:
    """This machine's one thread as a platform of the catalogue."""

    def figure(value: float) -> Figure:
        return Figure(value=value, source=NAME, basis="measured", how=_HOW)

    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return Platform(
        name=NAME,
        title=Text(en="this machine, one thread", ru="эта машина, один поток"),
        kind="laptop",
        price="500 to 2,000 USD",
        clock_hz=figure((frequency.current if frequency else 0.0) * 1e6 or 1.0),
        memory=Memory(ram=figure(float(psutil.virtual_memory().total))),
        bandwidth=figure(calibration.bytes_per_second),
        peak={dtype: figure(rate) for dtype, rate in calibration.macs_per_second.items()},
        overhead_s=figure(calibration.overhead_s),
        note=Text(en=host.processor() or host.machine(), ru=host.processor() or host.machine()),
    )


_HOW = Text(
    en="measured in the same run, ONNX Runtime, one thread",
    ru="измерено в том же запуске, ONNX Runtime, один поток",
)


def _copied(workload: Workload) -> int:
    """Numbers to pass over: reading and writing them touches what the model holds."""
    held = workload.weights.bytes() + workload.peak_activation_bytes()
    return min(max(held // 8, LEAST_COPIED), MOST_COPIED)


def _gauges(dtypes: set[DType], copied: int) -> dict[str, TimedModel]:
    gauges = {
        "float32": _product("MatMul", TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT),
        "copy": _chain(1, copied),
        "one": _chain(1, 1),
        "chain": _chain(CHAIN, 1),
    }
    if "int8" in dtypes:
        gauges["int8"] = _product(
            "MatMulInteger", TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
        )
    return gauges


def _calibration(seconds: Mapping[str, float], copied: int) -> Calibration:
    overhead = max((seconds["chain"] - seconds["one"]) / (CHAIN - 1), 1e-9)
    call = max(seconds["one"] - overhead, 0.0)
    macs = SIDE**3
    dtypes: tuple[DType, ...] = ("float32", "int8")
    return Calibration(
        {d: macs / max(seconds[d] - call, 1e-9) for d in dtypes if d in seconds},
        2 * 4 * copied / max(seconds["copy"] - call, 1e-9),
        overhead,
        call,
    )


def _product(op: str, given: int, stored: int, made: int) -> TimedModel:
    """A product with a constant matrix, as in a layer. Quantised activations are unsigned: the
    pair that processors have instructions for."""
    weight = np.ones((SIDE, SIDE), helper.tensor_dtype_to_np_dtype(stored))
    graph = helper.make_graph(
        [helper.make_node(op, ["a", "b"], ["c"])],
        "gauge",
        [helper.make_tensor_value_info("a", given, (SIDE, SIDE))],
        [helper.make_tensor_value_info("c", made, (SIDE, SIDE))],
        [onnx.numpy_helper.from_array(weight, "b")],
    )
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(given)).name
    return TimedModel(_model(graph), (("a", dtype, (SIDE, SIDE)),))


def _chain(length: int, numbers: int) -> TimedModel:
    """`length` changes of sign, one after another."""
    nodes = [helper.make_node("Neg", [f"x{i}"], [f"x{i + 1}"]) for i in range(length)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (numbers,))
        for name in ("x0", f"x{length}")
    ]
    graph = helper.make_graph(nodes, "gauge", ends[:1], ends[1:])
    return TimedModel(_model(graph), (("x0", "float32", (numbers,)),))


def _model(graph: onnx.GraphProto) -> bytes:
    imports = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        graph, opset_imports=imports, ir_version=IR_VERSION
    ).SerializeToString()
