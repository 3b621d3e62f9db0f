"""From one PyTorch class to both artefacts and their offline counterpart.

    model.onnx     chunk, state_... -> probability, state_..._next     state outside
    model.ts       TorchScript with forward(chunk) and reset()         state inside
    offline.onnx   clip -> probability                                 a whole second at once

`export_all` writes the three and runs them: both forms must agree with each other on chunks of
every size, and after one second with the offline file.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnx
import onnx.compose
import torch
from frontend import Tables, tables
from offline import Crnn, Offline
from onnx import NodeProto, TensorProto, helper, numpy_helper
from streaming import ScriptStream, State, StreamingKws
from torch import Tensor, nn

Storage = Literal["float32", "float16", "int8"]

HOP = 160
SECOND = 16_000
TOLERANCE = 1e-4
"""Between the forms, in a probability."""
OUTPUT_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": -1, "GRU": 1, "LSTM": 1, "RNN": 1}
"""Which axis of an operator's weights counts output channels: each gets its own int8 scale."""
SMALLEST_SCALE = 1e-6


class Disagreement(AssertionError):
    """Two of the exported files compute different things."""


def export_all(
    crnn: Crnn, stream: StreamingKws, folder: Path, storage: Storage = "float32"
) -> float:
    """Write model.onnx, model.ts and offline.onnx; the largest difference between them.

    With float16 or int8 storage the ONNX files round the weights, so round them in the module
    first (`on_grid`, or `crnn.half().float()`). Raises Disagreement beyond TOLERANCE.
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage is one of {get_args(Storage)}, not {storage!r}")
    crnn.eval(), stream.eval()
    _export_stream(stream, folder / "model.onnx", storage)
    _export_offline(crnn, folder / "offline.onnx", storage)
    script = torch.jit.script(ScriptStream(stream))
    (folder / "model.ts").write_bytes(_without_source_paths(script.save_to_buffer()))
    return agreement(folder)


def _without_source_paths(saved: bytes) -> bytes:
    """A saved TorchScript module without its debug records, which only say where on this machine
    the Python sources lie."""
    stripped = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(stripped, "w") as new:
        for record in old.infolist():
            if not record.filename.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(record.filename), old.read(record))
    return stripped.getvalue()


def agreement(folder: Path) -> float:
    """Run the three files on made-up sound. Raises Disagreement; see `export_all`."""
    rng = np.random.default_rng(0)
    rise = np.linspace(0.0, 0.3, 3 * SECOND)
    sound = (rise * rng.standard_normal(3 * SECOND)).astype(np.float32)
    script = torch.jit.load(folder / "model.ts")
    worst = 0.0
    for sizes in ([HOP], [8 * HOP], [SECOND], [5 * HOP, HOP, 37 * HOP, 13 * HOP]):
        ours = run_onnx_stream(folder / "model.onnx", sound, sizes)
        theirs = run_script(script, sound, sizes)
        worst = max(worst, float(np.abs(ours - theirs).max()))
    _require(worst, "model.onnx and model.ts answer differently")
    after_a_second = run_onnx_stream(folder / "model.onnx", sound[:SECOND], [SECOND])[-1]
    session = _session(folder / "offline.onnx")
    (offline,) = session.run(["probability"], {"clip": sound[None, :SECOND]})
    apart = float(abs(offline[0, 0] - after_a_second))
    _require(apart, "after one second the stream and offline.onnx differ")
    return max(worst, apart)


def run_onnx_stream(path: Path, sound: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Probabilities after each chunk; the sizes, in samples, are used in turn."""
    session = _session(path)
    inputs = session.get_inputs()
    states = {port.name: np.zeros(port.shape, np.float32) for port in inputs[1:]}
    names = ["probability", *(f"{name}_next" for name in states)]
    answers = []
    for chunk in _chunks(sound, sizes):
        probability, *new = session.run(names, {"chunk": chunk[None], **states})
        states = dict(zip(states, new, strict=True))
        answers.append(probability[0, 0])
    return np.array(answers)


@torch.no_grad()
def run_script(
    script: torch.jit.ScriptModule, sound: np.ndarray, sizes: Sequence[int]
) -> np.ndarray:
    """The same with TorchScript."""
    script.reset()
    return np.array(
        [script(torch.from_numpy(chunk[None])).item() for chunk in _chunks(sound, sizes)]
    )


@torch.no_grad()
def on_grid(module: nn.Module) -> None:
    """Round every matrix and kernel to what int8 storage can hold, biases to float16."""
    for weight in module.parameters():
        if weight.dim() < 2:
            weight.copy_(weight.half().float())
            continue
        axes = tuple(range(1, weight.dim()))
        scale = (weight.abs().amax(axes, keepdim=True) / 127).clamp(min=SMALLEST_SCALE)
        scale = scale.half().float()
        weight.copy_((weight / scale).round().clamp(-127, 127) * scale)


def _require(difference: float, what: str) -> None:
    if not difference <= TOLERANCE:
        raise Disagreement(
            f"{what}, by {difference:.3g} in a probability; at most {TOLERANCE:g} is expected. "
            "Look at what is kept between chunks: how much, and from which sample on."
        )


def _chunks(sound: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    ends = []
    while not ends or ends[-1] < len(sound):
        ends.append((ends[-1] if ends else 0) + sizes[len(ends) % len(sizes)])
    return np.split(sound, ends[:-1])


def _session(path: Path):  # type: ignore[no-untyped-def]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


# Writing ONNX -------------------------------------------------------------------------------


class _Tables(nn.Module):
    def forward(self, zero: Tensor) -> Tables:
        return tables(zero)


class _Stream(nn.Module):
    """State in, state out."""

    def __init__(self, stream: StreamingKws) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, ...]:
        # The tracer hands over plain tuples.
        probability, new = self.stream(chunk, State(*state), Tables(*constants))
        return (probability, *new)


class _Offline(nn.Module):
    def __init__(self, crnn: Crnn) -> None:
        super().__init__()
        self.offline = Offline(crnn)

    def forward(self, clip: Tensor, constants: Tables) -> Tensor:
        return self.offline(clip, Tables(*constants))


def _export_stream(stream: StreamingKws, path: Path, storage: Storage) -> None:
    names = [f"state_{name}" for name in State._fields]
    example = (torch.zeros(1, 40 * HOP), stream.initial())
    inputs, outputs = ["chunk", *names], ["probability", *(f"{name}_next" for name in names)]
    _write(_Stream(stream), example, inputs, outputs, {"chunk": {1: "samples"}}, path, storage)


def _export_offline(crnn: Crnn, path: Path, storage: Storage) -> None:
    _write(_Offline(crnn), (torch.zeros(1, SECOND),), ["clip"], ["probability"], {}, path, storage)


def _write(
    module: nn.Module,
    example: tuple[object, ...],
    inputs: list[str],
    outputs: list[str],
    free: dict[str, dict[int, str]],
    path: Path,
    storage: Storage,
) -> None:
    """The module with its tables: those are made when the file is loaded, and not stored."""
    constants = [f"table_{name}" for name in Tables._fields]
    example = (*example, tables(torch.zeros(1)))
    model = _translate(module, example, [*inputs, *constants], outputs, free)
    _drop_zero_states(model.graph)
    if storage != "float32":
        _store_small(model.graph, storage)
    made = _translate(_Tables(), (torch.zeros(1),), ["zero"], constants, {})
    made = onnx.compose.add_prefix(made, "made_", rename_inputs=False, rename_outputs=False)
    pairs = [(name, name) for name in constants]
    whole = onnx.compose.merge_models(made, model, pairs, outputs=outputs)
    del whole.opset_import[1:]  # the same one twice
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    whole.graph.input.remove(next(port for port in whole.graph.input if port.name == "zero"))
    whole.graph.initializer.append(zero)
    _drop_unused(whole.graph)
    del whole.graph.value_info[:]  # shapes of the graph as it was before the changes
    onnx.checker.check_model(whole, full_check=True)
    path.write_bytes(whole.SerializeToString())


def _translate(
    module: nn.Module,
    example: tuple[object, ...],
    inputs: list[str],
    outputs: list[str],
    free: dict[str, dict[int, str]],
) -> onnx.ModelProto:
    """The older exporter writes a GRU as one operator; the newer one takes it apart."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            example,
            file,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=free,
            opset_version=17,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def _drop_zero_states(graph: onnx.GraphProto) -> None:
    """A GRU without an initial state starts at zero: there is no need to build the zeros."""
    fillers = {node.output[0] for node in graph.node if node.op_type == "ConstantOfShape"}
    for node in graph.node:
        if node.op_type in ("GRU", "LSTM", "RNN"):
            for index in range(5, len(node.input)):
                if _source(graph, node.input[index]) in fillers:
                    node.input[index] = ""


def _source(graph: onnx.GraphProto, name: str) -> str:
    """The tensor that `name` is a slice of."""
    for node in graph.node:
        if name in node.output and node.op_type in ("Slice", "Identity"):
            return _source(graph, node.input[0])
    return name


def _store_small(graph: onnx.GraphProto, storage: Storage) -> None:
    """Replace every float32 weight by a smaller one and the operator that widens it again."""
    axes = _output_axes(graph)
    wideners: list[NodeProto] = []
    for weight in [item for item in graph.initializer if item.data_type == TensorProto.FLOAT]:
        graph.initializer.remove(weight)
        values = numpy_helper.to_array(weight)
        if storage == "int8" and weight.name in axes:
            wideners += _as_int8(graph, weight.name, values, axes[weight.name])
        else:
            wideners.append(_as_float16(graph, weight.name, values))
    for node in reversed(wideners):
        graph.node.insert(0, node)


def _output_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """Weight matrices and kernels by name, with the axis of their output channels."""
    axes = {}
    for node in graph.node:
        if node.op_type in OUTPUT_AXIS:
            recurrent = node.op_type in ("GRU", "LSTM", "RNN")
            for name in node.input[1 : 3 if recurrent else 2]:
                transposed = node.op_type == "Gemm" and not _integer(node, "transB")
                axes[name] = 1 if transposed else OUTPUT_AXIS[node.op_type]
    return axes


def _integer(node: NodeProto, name: str) -> int:
    return next((a.i for a in node.attribute if a.name == name), 0)


def _as_float16(graph: onnx.GraphProto, name: str, values: np.ndarray) -> NodeProto:
    small = values.astype(np.float16)
    graph.initializer.append(numpy_helper.from_array(small, f"{name}_float16"))
    return helper.make_node("Cast", [f"{name}_float16"], [name], to=TensorProto.FLOAT)


def _as_int8(graph: onnx.GraphProto, name: str, values: np.ndarray, axis: int) -> list[NodeProto]:
    """value = scale * int8, one scale for each output channel, itself stored as float16."""
    axis %= values.ndim
    others = tuple(i for i in range(values.ndim) if i != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    # An empty row must not give 0.
    scale = np.maximum(largest / 127, SMALLEST_SCALE).astype(np.float16)
    levels = np.clip(np.rint(values / scale.astype(np.float32)), -127, 127).astype(np.int8)
    graph.initializer.append(numpy_helper.from_array(levels, f"{name}_int8"))
    widen_scale = _as_float16(graph, f"{name}_scale", scale.reshape(-1))
    inputs = [f"{name}_int8", f"{name}_scale"]
    return [widen_scale, helper.make_node("DequantizeLinear", inputs, [name], axis=axis)]


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove operators and weights whose results nobody reads."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for weight in list(graph.initializer):
        if weight.name not in needed:
            graph.initializer.remove(weight)
