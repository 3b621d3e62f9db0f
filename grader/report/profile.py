"""The page of `grader profile`: one platform operator by operator, or a table of all platforms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from grader.measure.hardware.platforms import PRICES, Catalogue, Figure, Platform, Source
from grader.measure.hardware.roofline import LayerTime, Prediction
from grader.measure.hardware.this_machine import Measured
from grader.report import numbers, render
from grader.report.charts import roofline
from grader.report.labels import Labels
from grader.text import Lang

MOST_LAYERS = 30
"""Operators in a table; the others share a row."""


def page(
    model: str,
    found: Sequence[Prediction],
    known: Catalogue,
    lang: Lang,
    measured: Measured | None = None,
) -> str:
    """The page as HTML.

    `model` is the name of the file. `found` are predictions for one platform or several, all of
    the same workload.
    """
    labels = Labels(lang)
    alone = found[0] if len(found) == 1 else None
    if alone:
        title = labels("profile_title", model=model, platform=alone.platform.title.to(lang))
        plot = roofline.roofline(alone, labels)
    else:
        title = labels("profile_zoo_title", model=model)
        plot = roofline.platforms(found, labels)
    layers, rest = _split(alone) if alone else ([], [])
    return render.page(
        "profile.html.j2",
        labels,
        title=title,
        workload=found[0].workload,
        one=alone,
        found=found,
        headlines=_headlines(alone, labels) if alone else [],
        parts_of_time=_parts(alone, labels) if alone else "",
        layers=layers,
        rest=rest,
        plots=[plot] if plot else [],
        figures=_figures(alone.platform, known, labels) if alone else [],
        measured=measured,
        rates=", ".join(
            f"{numbers.number(rate / 1e9, labels.lang, 3)} {labels.unit('GMAC/s')} {dtype}"
            for dtype, rate in (measured.calibration.macs_per_second.items() if measured else ())
        ),
        measured_layers=_split(measured.prediction)[0] if measured else [],
        duration=partial(duration, labels=labels),
        price=price,
    )


def duration(seconds: float, labels: Labels) -> str:
    """A time in the unit that suits it, with a space before the unit."""
    scale, unit = (1.0, "s") if seconds >= 1 else (1e-3, "ms") if seconds >= 1e-3 else (1e-6, "µs")
    return f"{numbers.number(seconds / scale, labels.lang, 3)} {labels.unit(unit)}"


def size(count: int, labels: Labels) -> str:
    """A number of bytes in the unit that suits it."""
    if count < 10 * 2**20:
        return f"{numbers.number(count, labels.lang)} {labels.unit('B')}"
    per, unit = (2**30, "GB") if count >= 2**30 else (2**20, "MB")
    return f"{numbers.number(count / per, labels.lang, 3)} {labels.unit(unit)}"


def price(platform: Platform, lang: Lang) -> str:
    """The price class of a platform."""
    return PRICES[platform.price].to(lang)


def _split(one: Prediction) -> tuple[list[LayerTime], list[LayerTime]]:
    """The longest operators, which get rows of their own, and the rest; both in running order."""
    longest = {id(layer) for layer in one.bottlenecks(MOST_LAYERS)}
    return (
        [layer for layer in one.layers if id(layer) in longest],
        [layer for layer in one.layers if id(layer) not in longest],
    )


def _parts(one: Prediction, labels: Labels) -> str:
    """A sentence on the shares of arithmetic, memory and overhead, and on the longest operator."""
    if not one.seconds:
        return ""
    spent = sorted(one.time_by_limit().items(), key=lambda pair: -pair[1])
    shares = [
        labels(f"profile_part_{limit}", share=numbers.percent(seconds, one.seconds, labels.lang))
        for limit, seconds in spent
        if seconds
    ]
    top = one.bottlenecks(1)[0]
    return labels(
        "profile_parts",
        parts=", ".join(shares),
        name=top.name,
        share=numbers.percent(top.seconds, one.seconds, labels.lang),
    )


def _headlines(one: Prediction, labels: Labels) -> list[tuple[str, str, str]]:
    """Title, value and a value to compare it with."""
    fit, unit = one.fit, labels.unit("B")
    where = labels("profile_ram") if fit.storage else labels("profile_unified")
    ram = labels("profile_of", amount=size(fit.ram.available, labels), where=where)
    flash = ram
    if fit.storage:
        amount = size(fit.storage.available, labels)
        flash = labels("profile_of", amount=amount, where=labels("profile_flash"))
    per_byte = one.workload.macs / one.bytes_moved if one.bytes_moved else 0.0
    ridge = labels("profile_ridge", value=numbers.number(one.ridge, labels.lang, 3))
    return [
        (
            labels("profile_weights"),
            f"{numbers.number(fit.weight_bytes, labels.lang)} {unit}",
            flash,
        ),
        (
            labels("profile_activations"),
            f"{numbers.number(fit.activation_bytes, labels.lang)} {unit}",
            ram,
        ),
        (labels("profile_moved"), f"{numbers.number(one.bytes_moved, labels.lang)} {unit}", ""),
        (
            labels("profile_intensity"),
            f"{numbers.number(per_byte, labels.lang, 3)} {labels.unit('MAC/B')}",
            ridge,
        ),
    ]


def _figures(
    platform: Platform, known: Catalogue, labels: Labels
) -> list[tuple[str, Figure, Source]]:
    """Every figure of the platform with its name and its source."""
    rows = []
    for name, figure in platform.figures().items():
        kind, _, dtype = name.partition(".")
        key = "figure_peak" if kind == "peak" else f"figure_{name.replace('.', '_')}"
        rows.append((labels(key, dtype=dtype), figure, known.sources[figure.source]))
    return rows
