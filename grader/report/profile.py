"""The page of `grader profile`: one platform operator by operator, or all beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.measure.hardware.platforms import Catalogue
from grader.measure.hardware.roofline import LayerTime, Prediction
from grader.measure.hardware.this_machine import Measured
from grader.measure.hardware.workload import Workload
from grader.report import profile_words, render
from grader.report.charts import numbers, roofline
from grader.report.charts.parts import Plot
from grader.report.profile_words import PageWords, duration, percent, size, time
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
    """The page as HTML. `model` is the name of the file; one prediction or several, all of the same
    workload."""
    words = PageWords(lang)
    alone = found[0] if len(found) == 1 else None
    title = (
        words("profile_title", model=model, platform=alone.platform.title.to(lang))
        if alone
        else words("profile_zoo_title", model=model)
    )
    return render.page(
        "profile.html.j2",
        words,
        title=title,
        counts=_counts(found[0].workload, words),
        one=_one(alone, words) if alone else None,
        zoo=None if alone else [_row(each, words) for each in found],
        refusals=[
            (each.platform.title.to(lang), each.fit.sentence.to(lang))
            for each in found
            if not alone and not each.fit.fits
        ],
        plots=_plots(found, words),
        codes=[
            (code.title.to(lang), numbers.number(code.bytes)) for code in found[0].workload.codes
        ],
        measured=_measured(measured, words) if measured else None,
        figures=profile_words.figures(alone.platform, known, words) if alone else [],
    )


@dataclass(frozen=True)
class OneView:
    """The head of a page about one platform."""

    time: str
    unit: str
    state: str
    tone: str
    sentence: str
    parts: str
    note: str
    headlines: Sequence[tuple[str, str, str]]
    """Title, value, and what it is to be compared with."""
    rows: Sequence[LayerRow]
    most: float
    total: LayerRow


@dataclass(frozen=True)
class LayerRow:
    name: str
    op: str
    macs: str
    weights: str
    moved: str
    intensity: str
    limit: str
    time: str
    share: str
    width: float
    """Of its bar, 0 to 100."""


@dataclass(frozen=True)
class ZooRow:
    name: str
    title: str
    dtype: str
    state: str
    tone: str
    time: str
    limit: str
    bottleneck: str
    power: str
    price: str


def _counts(workload: Workload, words: PageWords) -> str:
    return words(
        "profile_counts",
        macs=numbers.number(workload.macs),
        params=numbers.number(workload.params),
        dtype=workload.dtype,
        batch=workload.batch,
    )


def _plots(found: Sequence[Prediction], words: PageWords) -> list[Plot]:
    drawn = roofline.roofline(found[0], words) if len(found) == 1 else roofline.zoo(found, words)
    return [drawn] if drawn else []


def _one(one: Prediction, words: PageWords) -> OneView:
    value, unit = duration(one.seconds, words)
    state, tone = _state(one, words)
    return OneView(
        time=value,
        unit=unit,
        state=state,
        tone=tone,
        sentence=one.fit.sentence.to(words.lang),
        parts=_parts(one, words),
        note=one.platform.note.to(words.lang),
        headlines=_headlines(one, words),
        rows=_rows(one, words),
        most=max((layer.seconds for layer in one.layers), default=0.0),
        total=_total(one, words),
    )


def _parts(one: Prediction, words: PageWords) -> str:
    """What the time is spent on, the most first, and on which operator."""
    if not one.seconds:
        return ""
    spent = sorted(one.time_by_limit().items(), key=lambda pair: -pair[1])
    shares = [
        words(f"profile_part_{limit}", share=percent(seconds, one.seconds))
        for limit, seconds in spent
        if seconds
    ]
    top = one.bottlenecks(1)[0]
    return words(
        "profile_parts",
        parts=", ".join(shares),
        name=top.name,
        share=percent(top.seconds, one.seconds),
    )


def _headlines(one: Prediction, words: PageWords) -> list[tuple[str, str, str]]:
    fit, unit = one.fit, words.unit("B")
    where = words("profile_ram") if fit.storage else words("profile_unified")
    ram = words("profile_of", amount=size(fit.ram.available, words), where=where)
    flash = ram
    if fit.storage:
        flash = words(
            "profile_of",
            amount=size(fit.storage.available, words),
            where=words("profile_flash"),
        )
    per_byte = one.workload.macs / one.bytes_moved if one.bytes_moved else 0.0
    return [
        (words("profile_weights"), f"{numbers.number(fit.weight_bytes)} {unit}", flash),
        (words("profile_activations"), f"{numbers.number(fit.activation_bytes)} {unit}", ram),
        (words("profile_moved"), f"{numbers.number(one.bytes_moved)} {unit}", ""),
        (
            words("profile_intensity"),
            f"{numbers.number(per_byte, 3)} {words.unit('MAC/B')}",
            words("profile_ridge", value=numbers.number(one.ridge, 3)),
        ),
    ]


def _rows(one: Prediction, words: PageWords) -> list[LayerRow]:
    """In the order in which they run; of many the longest, and the rest in one row."""
    shown = {id(layer) for layer in one.bottlenecks(MOST_LAYERS)}
    longest = max((layer.seconds for layer in one.layers), default=0.0) or 1.0
    rows = [_layer(one, layer, longest, words) for layer in one.layers if id(layer) in shown]
    rest = [layer for layer in one.layers if id(layer) not in shown]
    if rest:
        seconds = sum(layer.seconds for layer in rest)
        rows.append(
            LayerRow(
                words("profile_rest", n=len(rest)),
                "",
                numbers.number(sum(layer.macs for layer in rest)),
                numbers.number(sum(layer.weight_bytes for layer in rest)),
                numbers.number(sum(layer.bytes_moved for layer in rest)),
                "",
                "",
                time(seconds, words),
                percent(seconds, one.seconds),
                100 * min(seconds / longest, 1.0),
            )
        )
    return rows


def _layer(one: Prediction, layer: LayerTime, longest: float, words: PageWords) -> LayerRow:
    return LayerRow(
        name=layer.name,
        op=layer.op,
        macs=numbers.number(layer.macs),
        weights=numbers.number(layer.weight_bytes),
        moved=numbers.number(layer.bytes_moved),
        intensity=numbers.number(layer.intensity, 3),
        limit=words(f"profile_limit_{layer.limit}"),
        time=time(layer.seconds, words),
        share=percent(layer.seconds, one.seconds),
        width=100 * layer.seconds / longest,
    )


def _total(one: Prediction, words: PageWords) -> LayerRow:
    per_byte = one.workload.macs / one.bytes_moved if one.bytes_moved else 0.0
    return LayerRow(
        name=words("profile_total"),
        op="",
        macs=numbers.number(one.workload.macs),
        weights=numbers.number(sum(layer.weight_bytes for layer in one.layers)),
        moved=numbers.number(one.bytes_moved),
        intensity=numbers.number(per_byte, 3),
        limit="",
        time=time(one.seconds, words),
        share="",
        width=0.0,
    )


def _row(one: Prediction, words: PageWords) -> ZooRow:
    state, tone = _state(one, words)
    spent = one.time_by_limit()
    top = one.bottlenecks(1)
    power = one.platform.power_w
    return ZooRow(
        name=one.platform.name,
        title=one.platform.title.to(words.lang),
        dtype=one.dtype,
        state=state,
        tone=tone,
        time=time(one.seconds, words),
        limit=words(f"profile_limit_{max(spent, key=lambda key: spent[key])}"),
        bottleneck=top[0].name if top else numbers.NONE,
        power=f"{numbers.number(power.value, 3)} {words.unit('W')}" if power else numbers.NONE,
        price=profile_words.price(one.platform, words),
    )


def _state(one: Prediction, words: PageWords) -> tuple[str, str]:
    if one.fit.fits:
        return words("profile_fits"), "good"
    if one.fit.rescue is not None:
        return words("profile_compressed"), "warn"
    return words("profile_not"), "bad"


def _measured(measured: Measured, words: PageWords) -> Mapping[str, object]:
    calibration, one = measured.calibration, measured.prediction
    rates = ", ".join(
        f"{numbers.number(rate / 1e9, 3)} {words.unit('GMAC/s')} {dtype}"
        for dtype, rate in calibration.macs_per_second.items()
    )
    shown = {id(layer) for layer in one.bottlenecks(MOST_LAYERS)}
    rows = [
        (f"{layer.name} ({layer.op})", layer.seconds, measured.by_layer[layer.name])
        for layer in one.layers
        if id(layer) in shown
    ]
    rows.append((words("profile_whole"), one.seconds, measured.seconds))
    bandwidth = numbers.number(calibration.bytes_per_second / 1e9, 3)
    return {
        "caption": words(
            "profile_measured_caption",
            rounds=measured.rounds,
            rates=rates,
            bandwidth=f"{bandwidth} {words.unit('GB/s')}",
            overhead=time(calibration.overhead_s, words),
        ),
        "rows": [
            (
                name,
                time(predicted, words),
                time(took, words),
                numbers.number(took / predicted, 3) if predicted else numbers.NONE,
            )
            for name, predicted, took in rows
        ],
    }
