"""Figures of the analysis: roofline, time by layer, hypotheses and their bounds."""

from __future__ import annotations

import math

from grader.lesson.grades import Axis, Figure, Series
from grader.measure.hardware.roofline import LayerTime
from grader.text import Text, verbatim
from grader.text.untrusted import name

from .analysis import Analysis
from .analysis_model import Measured
from .promises import promise

ROWS = 8
"""Layers with a bar of their own."""
_NAMED = Text("named as a bottleneck")
_OTHERS = Text("other layers")
_ROOF = Text("the platform's roof")
_STORAGE_ROOF = Text("the same, with everything read from flash")
_LAYER = Text("layer")


def all_figures(found: Analysis, measured: Measured) -> list[Figure]:
    """All figures of an analysis that could be measured."""
    named = {id(layer) for entry in found.bottlenecks for layer in measured.layers(entry.layers)}
    return [roofline(measured, named), time_by_layer(measured, named), promised(found, measured)]


def roofline(measured: Measured, named: set[int]) -> Figure:
    """Roofline plot of the layers that multiply."""
    prediction = measured.prediction
    layers = [layer for layer in prediction.layers if layer.macs and layer.bytes_moved]
    intensities = [layer.intensity for layer in layers] or [prediction.ridge]
    low = min([*intensities, prediction.ridge]) / 2
    high = max([*intensities, prediction.ridge]) * 2
    storage = measured.platform.storage_bandwidth
    roofs = [_roof(measured.platform.bandwidth.value, prediction.peak, (low, high), _ROOF)]
    if storage is not None:
        roofs.append(_roof(storage.value, prediction.peak, (low, high), _STORAGE_ROOF))
    return Figure(
        name="roofline",
        title=Text(
            "Roofline of {title}, {dtype}", title=measured.platform.title, dtype=prediction.dtype
        ),
        kind="scatter",
        x=Axis(Text("intensity"), "MAC/B", "log"),
        y=Axis(Text("throughput"), "MACs/s", "log"),
        series=[
            *roofs,
            _points([one for one in layers if id(one) in named], _NAMED, "submission"),
            _points([one for one in layers if id(one) not in named], _OTHERS, "baseline"),
        ],
        caption=Text(
            "Left of the bend a layer waits for memory, right of it for arithmetic. Points below "
            "it lose time to launching operators or to weights that come from flash. Layers that "
            "multiply nothing are not drawn."
        ),
    )


def _roof(bandwidth: float, peak: float, ends: tuple[float, float], label: Text) -> Series:
    """The roof: bandwidth left of the ridge, peak right of it."""
    bend = min(max(peak / bandwidth, ends[0]), ends[1])
    places = [ends[0], bend, ends[1]]
    return Series(
        label=label, role="threshold", x=places, y=[min(at * bandwidth, peak) for at in places]
    )


def _points(layers: list[LayerTime], label: Text, role: str) -> Series:
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[layer.intensity for layer in layers],
        y=[layer.macs / layer.seconds for layer in layers],
        point_labels=[name(layer.name) for layer in layers],
    )


def time_by_layer(measured: Measured, named: set[int]) -> Figure:
    """The predicted milliseconds of the slowest layers."""
    prediction = measured.prediction
    layers = prediction.bottlenecks(ROWS)
    rest = prediction.seconds - math.fsum(layer.seconds for layer in layers)
    rows = [verbatim(name(layer.name)) for layer in layers]
    others = [(1e3 * one.seconds, row) for row, one in enumerate(layers) if id(one) not in named]
    if len(prediction.layers) > len(layers):
        count = len(prediction.layers) - len(layers)
        rows.append(Text("{count} others", count=count))
        others.append((1e3 * max(rest, 0.0), len(layers)))
    mine = [(1e3 * one.seconds, row) for row, one in enumerate(layers) if id(one) in named]
    return Figure(
        name="analysed_time",
        title=Text("Where the time goes"),
        kind="bars",
        x=Axis(Text("predicted time"), "ms"),
        y=Axis(_LAYER),
        series=[
            Series(label, role, x=[x for x, _ in bars], y=[float(row) for _, row in bars])
            for label, role, bars in ((_NAMED, "submission", mine), (_OTHERS, "baseline", others))
        ],
        caption=Text(
            "In all {seconds:.3g} ms at least: the roofline is a lower bound.",
            seconds=1000.0 * prediction.seconds,
        ),
        rows=rows,
    )


def promised(found: Analysis, measured: Measured) -> Figure:
    """Each hypothesis's speed-up beside the bound for its layers and method."""
    results = [promise(one, measured) for one in found.hypotheses]
    finite = [(one.bound, row) for row, one in enumerate(results) if math.isfinite(one.bound)]
    values = [one.hypothesis.speedup for one in results] + [bound for bound, _ in finite]
    wide = max(values) > 20 * min(values)
    return Figure(
        name="promises",
        title=Text("Hypotheses and their bounds"),
        kind="bars",
        x=Axis(
            Text("speed-up of the whole"),
            "×",
            "log" if wide else "linear",
        ),
        y=Axis(Text("hypothesis")),
        series=[
            Series(
                label=Text("promised"),
                role="submission",
                x=[one.hypothesis.speedup for one in results],
                y=[float(row) for row in range(len(results))],
            ),
            Series(
                label=Text("the most that is possible"),
                role="reference",
                x=[bound for bound, _ in finite],
                y=[float(row) for _, row in finite],
            ),
        ],
        caption=Text(
            "Amdahl's bound for the layers that the hypothesis touches, with the best that its "
            "method can do to them on this platform. No bar: nothing is left of the time."
        ),
        rows=[verbatim(name(o.hypothesis.name)) for o in results],
    )
