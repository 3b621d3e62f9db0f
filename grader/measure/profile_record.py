"""A profile as plain data, for `--json`: seconds, bytes, MACs, names."""

from __future__ import annotations

import math
from typing import Any

from grader.measure.profiled import Profiled
from grader.measure.roofline import LayerTime, Prediction
from grader.measure.this_machine import Measured

SCHEMA = 1


def record(
    opened: Profiled, predictions: list[Prediction], measured: Measured | None
) -> dict[str, Any]:
    """Everything that the tables show."""
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
        "codes": [{"title": _texts(code.title), "bytes": code.bytes} for code in workload.codes],
        "platforms": [_prediction(one) for one in predictions],
        "measured": None if measured is None else _measured(measured),
    }


def _prediction(one: Prediction) -> dict[str, Any]:
    storage = one.fit.storage
    return {
        "platform": one.platform.name,
        "dtype": one.dtype,
        "fits": one.fit.fits,
        "fits_compressed": one.fit.rescue is not None,
        "verdict": _texts(one.fit.sentence),
        "weight_bytes": one.fit.weight_bytes,
        "peak_activation_bytes": one.fit.activation_bytes,
        "ram": {"needed": one.fit.ram.needed, "available": one.fit.ram.available},
        "storage": None
        if storage is None
        else {"needed": storage.needed, "available": storage.available},
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


def _texts(text: Any) -> dict[str, str]:
    return {"en": text.en, "ru": text.ru}
