"""Two plots of `grader profile`: the roofline of a platform, all platforms by power and time."""

from __future__ import annotations

from collections.abc import Sequence

from grader.measure.hardware.roofline import LayerTime, Prediction
from grader.report import numbers
from grader.report.charts import axes
from grader.report.charts.axes import Axis
from grader.report.charts.drawing import Drawing, Legend, Plot
from grader.report.labels import Labels
from grader.text.untrusted import name

LABELLED = 6
ROOM = 4.0
"""The plot extends by this factor beyond the ridge and the outermost operators."""


def roofline(one: Prediction, labels: Labels) -> Plot | None:
    """Attained MAC/s against MACs per byte under the platform's roof; None without arithmetic.

    Williams, Waterman, Patterson: Roofline (CACM 2009).
    """
    placed = [layer for layer in one.layers if layer.macs and layer.bytes_moved and layer.seconds]
    if not placed:
        return None
    bandwidth, storage = one.platform.bandwidth.value, one.platform.storage_bandwidth
    across = [*(layer.intensity for layer in placed), one.ridge]
    x = axes.axis(labels("profile_x"), [*across, max(across) * ROOM], labels.lang, "log")
    unit, prefix = (1e9, "G") if one.peak >= 1e9 else (1e6, "M")
    up = [_attained(layer) / unit for layer in placed]
    label = labels("profile_y", unit=f"{prefix}MAC")
    y = axes.axis(label, [*up, one.peak / unit], labels.lang, "log")
    drawing = Drawing(axes.frame(x, y))
    legend = [Legend.line("reference", labels("profile_roof"))]
    if storage is not None and storage.value < bandwidth:
        drawing.line(_roof(x, y, one.peak / unit, storage.value / unit), "baseline")
        legend.append(Legend.line("baseline", labels("profile_flash_roof")))
    drawing.line(_roof(x, y, one.peak / unit, bandwidth / unit), "reference")
    for layer, height in zip(placed, up, strict=True):
        title = f"{layer.name} ({layer.op}): {numbers.number(height, labels.lang, 3)} {prefix}MAC/s"
        drawing.mark(layer.intensity, height, _role(layer), title)
    for layer in one.bottlenecks(LABELLED):
        if layer in placed:
            own = name(layer.name.rstrip("/").rsplit("/", 1)[-1] or layer.op, 20)
            drawing.label(layer.intensity, _attained(layer) / unit, own)
    for role, key in (("submission", "profile_compute"), ("experiment", "profile_memory_bound")):
        if any(_role(layer) == role for layer in placed):
            legend.append(Legend.point(role, labels(key)))
    described = labels(
        "profile_described",
        platform=one.platform.title.to(labels.lang),
        peak=numbers.number(one.peak, labels.lang, 3),
        names=", ".join(layer.name for layer in one.bottlenecks(LABELLED)),
    )
    return Plot(
        title=labels("profile_roofline"),
        svg=drawing.svg(described),
        legend=legend,
        caption=labels("profile_roofline_caption"),
    )


def platforms(found: Sequence[Prediction], labels: Labels) -> Plot | None:
    """Predicted time against power, one mark per platform; None when no power is known."""
    placed = [one for one in found if one.platform.power_w is not None and one.seconds]
    if not placed:
        return None
    watts = [one.platform.power_w.value for one in placed if one.platform.power_w]
    x = axes.axis(labels("profile_watts"), [*watts, max(watts) * 2], labels.lang, "log")
    least = min(one.seconds for one in placed) / ROOM
    y = axes.axis(
        labels("profile_seconds"), [*(one.seconds for one in placed), least], labels.lang, "log"
    )
    drawing = Drawing(axes.frame(x, y))
    for one, power in zip(placed, watts, strict=True):
        role = "passed" if one.fit.fits else "below"
        drawing.mark(power, one.seconds, role, one.platform.title.to(labels.lang))
    for one, power in zip(placed, watts, strict=True):
        drawing.label(power, one.seconds, one.platform.name)
    legend = [Legend.point("passed", labels("profile_fits"))]
    if any(not one.fit.fits for one in placed):
        legend.append(Legend.point("below", labels("profile_not")))
    times = [f"{one.platform.name} {numbers.number(one.seconds, labels.lang, 3)}" for one in placed]
    return Plot(
        title=labels("profile_zoo"),
        svg=drawing.svg(f"{labels('profile_zoo')}: {', '.join(times)}"),
        legend=legend,
        caption=labels("profile_zoo_caption"),
    )


def _attained(layer: LayerTime) -> float:
    return layer.macs / layer.seconds


def _role(layer: LayerTime) -> str:
    return "submission" if layer.bound == "compute" else "experiment"


def _roof(x: Axis, y: Axis, peak: float, bandwidth: float) -> list[tuple[float, float]]:
    """Points of a roof within the axes: the slope up to the ridge, then flat at the peak."""
    start = max(x.low, y.low / bandwidth)
    ridge = peak / bandwidth
    if ridge <= start:
        return [(start, peak), (x.high, peak)]
    points = [(start, start * bandwidth), (min(ridge, x.high), min(peak, x.high * bandwidth))]
    return points if ridge >= x.high else [*points, (x.high, peak)]
