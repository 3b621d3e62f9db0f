"""A model file as a workload (ONNX, or the integer network of the Arduino lesson), and its profile
as plain data for `--json`: seconds, bytes, MACs, names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
from google.protobuf.message import DecodeError

from grader.board import integer_network
from grader.board.integer_network import IntegerNetwork
from grader.measure.costs.refusals import Refused
from grader.measure.hardware import traffic, workload
from grader.measure.hardware.roofline import LayerTime, Prediction
from grader.measure.hardware.this_machine import Measured
from grader.measure.hardware.workload import Workload
from grader.text import Text, to_builtins
from grader.text.errors import Rejected, UsageError

LARGEST = 512 * 2**20
"""Bytes of a file that is read."""
SCHEMA = 1
"""Version of the record for `--json`."""


@dataclass(frozen=True)
class Profiled:
    """A model file that has been read."""

    path: Path
    data: bytes
    form: Literal["onnx", "integer network"]
    workload: Workload


def open_model(path: Path, *, batch: int = 1, sizes: Mapping[str, int] | None = None) -> Profiled:
    """Read the `.onnx` model or the `.npz` integer network at `path`.

    `sizes` gives named dynamic dimensions their size. Raises UsageError with a sentence when it is
    no model, has operators that are not counted, or dimensions of unknown size.
    """
    data = _bytes(path)
    try:
        if path.suffix.lower() == ".npz":
            if batch != 1:
                raise UsageError(
                    "An integer network answers one character at a time; leave --batch out."
                )
            return Profiled(path, data, "integer network", _integer(path, data))
        return Profiled(path, data, "onnx", traffic.of_onnx(data, batch=batch, sizes=sizes))
    except Refused as error:
        raise UsageError(_explained(error, data)) from error
    except Rejected as error:
        raise UsageError(error.text) from error


def record(
    opened: Profiled, predictions: list[Prediction], measured: Measured | None
) -> dict[str, Any]:
    """All figures of the tables, as JSON objects."""
    workload = opened.workload
    return {
        "schema": SCHEMA,
        "model": opened.path.name,
        "form": opened.form,
        "dtype": workload.dtype,
        "batch": workload.batch,
        "params": workload.params,
        "macs": workload.macs,
        "weight_bytes": workload.weights.bytes(),
        "peak_activation_bytes": workload.peak_activation_bytes(),
        "codes": to_builtins(workload.codes),
        "platforms": [_prediction(one) for one in predictions],
        "measured": None if measured is None else _measured(measured),
    }


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() not in (".onnx", ".npz"):
        raise UsageError(
            "{path} is no model that can be profiled; give an .onnx file, or the model.npz of "
            "the Arduino lesson.",
            path=path,
        )
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(
                "{path} takes {st_size:,} bytes; at most {largest:,} are read.",
                path=path,
                st_size=path.stat().st_size,
                largest=LARGEST,
            )
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            "{path} cannot be read ({strerror}).", path=path, strerror=error.strerror
        ) from error


def _integer(path: Path, data: bytes) -> Workload:
    network: IntegerNetwork
    try:
        network = integer_network.read(data)
    except Rejected:
        try:
            network = integer_network.read_published(path)
        except Exception:
            network = integer_network.read(data)  # raises with the course's own format
    return workload.of_integer_network(network)


def _explained(error: Refused, data: bytes) -> Text:
    """The refusal; for missing sizes with the options that state them."""
    missing = _named_sizes(data) if error.code == "dynamic_dimension" else []
    if not missing:
        return error.text
    options = " ".join(f"--size {name}=N" for name in missing)
    return Text(
        "The sizes of {missing} are not fixed in the model; give them: {options}.",
        missing=", ".join(missing),
        options=options,
    )


def _named_sizes(data: bytes) -> list[str]:
    """Named dimensions of the inputs, without those of first axes (the batch)."""
    try:
        graph = onnx.ModelProto.FromString(data).graph
    except DecodeError:
        return []
    stored = {tensor.name for tensor in graph.initializer}
    shapes = [i.type.tensor_type.shape.dim for i in graph.input if i.name not in stored]
    firsts = {dims[0].dim_param for dims in shapes if dims}
    names = [dim.dim_param for dims in shapes for dim in dims if dim.dim_param]
    return [name for name in dict.fromkeys(names) if name not in firsts]


def _prediction(one: Prediction) -> dict[str, Any]:
    return {
        "platform": one.platform.name,
        "dtype": one.dtype,
        "fits": one.fit.fits,
        "fits_compressed": one.fit.rescue is not None,
        "verdict": to_builtins(one.fit.sentence),
        "weight_bytes": one.fit.weight_bytes,
        "peak_activation_bytes": one.fit.activation_bytes,
        "ram": asdict(one.fit.ram),
        "storage": asdict(one.fit.storage) if one.fit.storage else None,
        "seconds": one.seconds,
        "seconds_by_limit": one.time_by_limit(),
        "bytes_moved": one.bytes_moved,
        "ridge_macs_per_byte": one.ridge,
        "bottlenecks": [layer.name for layer in one.bottlenecks(3)],
        "layers": [_layer(one, layer) for layer in one.layers],
    }


def _layer(one: Prediction, layer: LayerTime) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "dtype": layer.dtype,
        "macs": layer.macs,
        "params": layer.work.params,
        "weight_bytes": layer.weight_bytes,
        "bytes_moved": layer.bytes_moved,
        "macs_per_byte": layer.intensity if math.isfinite(layer.intensity) else None,
        "bound": layer.bound,
        "limit": layer.limit,
        "seconds": layer.seconds,
        "share": one.share(layer),
        "output_shape": list(layer.work.output_shape),
    }


def _measured(measured: Measured) -> dict[str, Any]:
    calibration = measured.calibration
    return {
        "seconds": measured.seconds,
        "median_seconds": measured.median_s,
        "predicted_seconds": measured.prediction.seconds,
        "rounds": measured.rounds,
        "macs_per_second": dict(calibration.macs_per_second),
        "bytes_per_second": calibration.bytes_per_second,
        "overhead_seconds": calibration.overhead_s,
        "layers": [
            {
                "name": layer.name,
                "predicted_seconds": layer.seconds,
                "seconds": measured.by_layer[layer.name],
            }
            for layer in measured.prediction.layers
        ],
    }
