"""Two plots of a profile: the roofline of one platform, and all platforms by power and time."""

from __future__ import annotations

from collections.abc import Sequence

from grader.measure.hardware.roofline import LayerTime, Prediction
from grader.report.charts import axes, numbers
from grader.report.charts.axes import Axis
from grader.report.charts.drawing import Drawing
from grader.report.charts.parts import Plot, line_key, point_key
from grader.report.profile_words import PageWords
from grader.text.untrusted import name

LABELLED = 6
ROOM = 4.0
"""The roof goes on for this factor beyond the ridge and the outermost operators."""


def roofline(one: Prediction, words: PageWords) -> Plot | None:
    """Attained MAC/s against MACs a byte under the platform's roof; None without arithmetic."""
    placed = [layer for layer in one.layers if layer.macs and layer.bytes_moved and layer.seconds]
    if not placed:
        return None
    bandwidth, storage = one.platform.bandwidth.value, one.platform.storage_bandwidth
    across = [*(layer.intensity for layer in placed), one.ridge]
    x = axes.axis(words("profile_x"), [*across, max(across) * ROOM], words.lang, "log")
    unit, prefix = (1e9, "G") if one.peak >= 1e9 else (1e6, "M")
    up = [_attained(layer) / unit for layer in placed]
    label = words("profile_y", unit=f"{prefix}MAC")
    y = axes.axis(label, [*up, one.peak / unit], words.lang, "log")
    drawing = Drawing(axes.frame(x, y))
    legend = [line_key("reference", words("profile_roof"))]
    if storage is not None and storage.value < bandwidth:
        drawing.line(_roof(x, y, one.peak / unit, storage.value / unit), "baseline")
        legend.append(line_key("baseline", words("profile_flash_roof")))
    drawing.line(_roof(x, y, one.peak / unit, bandwidth / unit), "reference")
    for layer, height in zip(placed, up, strict=True):
        title = f"{layer.name} ({layer.op}): {numbers.number(height, 3)} {prefix}MAC/s"
        drawing.mark(layer.intensity, height, _role(layer), title)
    for layer in one.bottlenecks(LABELLED):
        if layer in placed:
            drawing.label(layer.intensity, _attained(layer) / unit, _short(layer))
    for role, key in (("submission", "profile_compute"), ("experiment", "profile_memory_bound")):
        if any(_role(layer) == role for layer in placed):
            legend.append(point_key(role, words(key)))
    described = words(
        "profile_described",
        platform=one.platform.title.to(words.lang),
        peak=numbers.number(one.peak, 3),
        names=", ".join(layer.name for layer in one.bottlenecks(LABELLED)),
    )
    return Plot(
        title=words("profile_roofline"),
        svg=drawing.svg(described),
        legend=legend,
        caption=words("profile_roofline_caption"),
    )


def zoo(found: Sequence[Prediction], words: PageWords) -> Plot | None:
    """Predicted time against power, a mark a platform; None where no power is known."""
    placed = [one for one in found if one.platform.power_w is not None and one.seconds]
    if not placed:
        return None
    watts = [one.platform.power_w.value for one in placed if one.platform.power_w]
    x = axes.axis(words("profile_watts"), [*watts, max(watts) * 2], words.lang, "log")
    least = min(one.seconds for one in placed) / ROOM
    y = axes.axis(
        words("profile_seconds"), [*(one.seconds for one in placed), least], words.lang, "log"
    )
    drawing = Drawing(axes.frame(x, y))
    for one, power in zip(placed, watts, strict=True):
        role = "passed" if one.fit.fits else "below"
        drawing.mark(power, one.seconds, role, one.platform.title.to(words.lang))
    for one, power in zip(placed, watts, strict=True):
        drawing.label(power, one.seconds, one.platform.name)
    legend = [point_key("passed", words("profile_fits"))]
    if any(not one.fit.fits for one in placed):
        legend.append(point_key("below", words("profile_not")))
    said = [f"{one.platform.name} {numbers.number(one.seconds, 3)}" for one in placed]
    return Plot(
        title=words("profile_zoo"),
        svg=drawing.svg(f"{words('profile_zoo')}: {', '.join(said)}"),
        legend=legend,
        caption=words("profile_zoo_caption"),
    )


def _attained(layer: LayerTime) -> float:
    return layer.macs / layer.seconds


def _role(layer: LayerTime) -> str:
    return "submission" if layer.bound == "compute" else "experiment"


def _short(layer: LayerTime) -> str:
    """The end of a long path says most."""
    return name(layer.name.rstrip("/").rsplit("/", 1)[-1] or layer.op, 20)


def _roof(x: Axis, y: Axis, peak: float, bandwidth: float) -> list[tuple[float, float]]:
    """Up the slope from where it enters the plot, then flat at the peak."""
    start = max(x.low, y.low / bandwidth)
    ridge = peak / bandwidth
    if ridge <= start:
        return [(start, peak), (x.high, peak)]
    points = [(start, start * bandwidth), (min(ridge, x.high), min(peak, x.high * bandwidth))]
    return points if ridge >= x.high else [*points, (x.high, peak)]
