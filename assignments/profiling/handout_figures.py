"""The pictures of the handout, and the values in its text that are computed."""

from __future__ import annotations

import importlib
import tomllib
from typing import Any

from grader.handout.drawing import Drawing
from grader.handout.measured import tables
from grader.lesson import course
from grader.lesson.loading import Lesson
from grader.measure.hardware import platforms
from grader.measure.hardware.platforms import DType
from grader.measure.hardware.profiled import open_model
from grader.measure.hardware.roofline import Prediction, predict
from grader.text import Text

ROOFS = {"esp32": "-", "raspberry-pi-5": "--", "jetson-orin-nano": "-.", "server-gpu": ":"}
"""Platforms of the picture, each with its own dash."""
INTENSITIES = (2e-2, 1e4)
LABELLED = ("/conv/Conv", "/gru/GRU", "/gru/GRU_1")


def values(lesson: Lesson) -> dict[str, Any]:
    """What `computed.NAME` means in the text."""
    sourced = tomllib.loads((lesson.folder / "figures" / "sourced.toml").read_text("utf-8"))
    networks = {one["name"]: one for one in sourced["models"]}
    first, last = networks["LeNet-5"], networks["Llama 3.1 405B"]
    return {
        "years": last["year"] - first["year"],
        "growth": round(last["parameters"] / first["parameters"], -5),
        "yolo": _yolo(networks["YOLO11n"], networks["YOLO11x"]),
        "esp32": _esp32(),
        "skipping": _skipping(),
        "families": len(_module(lesson, "families").FAMILIES),
        "weights": dict(_module(lesson, "profiler_checks").WEIGHTS),
        "criteria": len(lesson.spec.rubric),
        "titles": {
            lang: ", ".join(one.title.to(lang).lower() for one in lesson.spec.rubric)
            for lang in ("en", "ru")
        },
    }


def _yolo(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    return {
        "small": small["map"],
        "large": large["map"],
        "gain": large["map"] - small["map"],
        "work": large["macs"] / small["macs"],
        "weights": large["parameters"] / small["parameters"],
    }


def _esp32() -> dict[str, float]:
    """Megabytes a second, kilobytes of cache, and the roofs for int8."""
    one = platforms.load("esp32")
    assert one.storage_bandwidth is not None
    assert one.memory.cache is not None
    return {
        "flash": one.storage_bandwidth.value / 1e6,
        "ram": one.bandwidth.value / 1e6,
        "cache": one.memory.cache.value / 1024,
        "peak": one.peak["int8"].value,
        "bandwidth": one.bandwidth.value,
    }


def _skipping() -> float:
    """How much faster the Arduino lesson's program without zeros is."""
    page = course.assignments() / "pruning_arduino" / "handout.en.md"
    table = tables(page.read_text(encoding="utf-8"))["runtimes"]
    before, after = (
        float(table.cell(row, 3)) for row in ("rows, every weight", "columns, no zeros")
    )
    return before / after


def _module(lesson: Lesson, name: str) -> Any:
    autograder: Any = lesson.autograder
    return importlib.import_module(f"{autograder.__name__}.{name}")


# Pictures -----------------------------------------------------------------------------------


def roofs(drawing: Drawing) -> None:
    """Attainable MAC/s against intensity, one line a platform."""
    drawing.size = (6.4, 3.4)
    axes = drawing.axes(drawing.text(Text("MACs a byte")), drawing.text(Text("MAC/s, int8")))
    low, high = INTENSITIES
    for name, dash in ROOFS.items():
        one = platforms.load(name)
        peak, bandwidth = one.peak["int8"].value, one.bandwidth.value
        corner = peak / bandwidth
        axes.plot([low, corner, high], [low * bandwidth, peak, peak], dash, color=drawing.accent)
        axes.plot([corner], [peak], "o", color=drawing.accent, markersize=5)
        shown = f"{corner:.2f}" if corner < 1 else f"{corner:.0f}"
        axes.annotate(
            f"{name}, {shown}", (high, peak), xytext=(0, 4), textcoords="offset points",
            ha="right", color=drawing.ink, fontsize=9,
        )  # fmt: skip
    whole = _speech("esp32", "int8")
    intensity = sum(one.macs for one in whole.layers) / whole.bytes_moved
    axes.axvline(intensity, color=drawing.bad, linestyle=(0, (6, 3)), linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlim=INTENSITIES, ylim=(1e6, 2e15))


def esp32(drawing: Drawing) -> None:
    """Operators of the keyword spotter under the roof of the ESP32."""
    found = _speech("esp32", None)
    drawing.size = (6.4, 3.4)
    axes = drawing.axes(drawing.text(Text("MACs a byte")), drawing.text(Text("million MAC/s")))
    low, high = 0.02, 30.0
    flash = found.platform.storage_bandwidth
    assert flash is not None
    for bandwidth, dash, name in (
        (found.platform.bandwidth.value, "-", drawing.text(Text("RAM"))),
        (flash.value, "--", drawing.text(Text("flash"))),
    ):
        corner = found.peak / bandwidth
        axes.plot(
            [low, corner, high], [low * bandwidth / 1e6, found.peak / 1e6, found.peak / 1e6],
            dash, color=drawing.accent,
        )  # fmt: skip
        axes.annotate(
            name, (low, low * bandwidth / 1e6), xytext=(6, -4), textcoords="offset points",
            va="top", color=drawing.ink, fontsize=9,
        )  # fmt: skip
    for layer in found.layers:
        if not layer.macs:
            continue
        known = layer.name in LABELLED
        marker = "o" if layer.bound == "compute" else "s"
        place = (layer.intensity, layer.macs / layer.seconds / 1e6)
        axes.plot(*place, marker, color=drawing.bad if known else drawing.soft, markersize=7)
        if known:
            axes.annotate(
                f"{layer.name}, {found.share(layer):.0%}", place, xytext=(8, -4),
                textcoords="offset points", va="top", color=drawing.ink, fontsize=9,
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.5, 200))


def stages(drawing: Drawing) -> None:
    """Shares of MACs and of time, a pair of bars for each stage of the slow network."""
    table = drawing.measured("stages")
    drawing.size = (6.4, 3.0)
    axes = drawing.axes(drawing.text(Text("per cent")))
    labels = table.labels()[::-1]
    places = list(range(len(labels)))
    for column, shift, style, name in (
        (2, 0.2, {"facecolor": "none", "hatch": "//"}, drawing.text(Text("of the MACs"))),
        (5, -0.2, {"facecolor": drawing.accent}, drawing.text(Text("of the time"))),
    ):
        shares = table.numbers(column)[::-1]
        bars = axes.barh(
            [place + shift for place in places], shares, height=0.36, edgecolor=drawing.accent,
            label=name, **style,
        )  # fmt: skip
        axes.bar_label(
            bars, [f"{share:.0f}" for share in shares], padding=4, color=drawing.ink, fontsize=9
        )
    axes.set_yticks(places, labels)
    axes.set(xlim=(0, 100))
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")


def _speech(platform: str, dtype: DType | None) -> Prediction:
    path = course.assignments() / "distillation" / "baseline" / "speech-synthetic.onnx"
    return predict(open_model(path).workload, platforms.load(platform), dtype)
