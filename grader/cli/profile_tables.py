"""A profile on a terminal: one platform operator by operator, or all beside each other."""

from __future__ import annotations

import math

import click
from rich.console import Console
from rich.table import Table

from grader.measure.hardware.profiled import Profiled
from grader.measure.hardware.roofline import LayerTime, Prediction
from grader.measure.hardware.this_machine import Measured
from grader.text import Lang, Text, ru_number
from grader.text.untrusted import one_line

MOST_LAYERS = 60
LIMITS = {
    "compute": Text(en="compute", ru="вычисления"),
    "memory": Text(en="memory", ru="память"),
    "overhead": Text(en="overhead", ru="запуск"),
}
_HEADINGS = {
    "layer": Text(en="operator", ru="оператор"),
    "weights": Text(en="weights, B", ru="веса, Б"),
    "moved": Text(en="moved, B", ru="передано, Б"),
    "intensity": Text(en="MAC/B", ru="MAC/Б"),
    "limit": Text(en="limited by", ru="предел"),
    "time": Text(en="time", ru="время"),
    "share": Text(en="share", ru="доля"),
    "platform": Text(en="platform", ru="платформа"),
    "dtype": Text(en="type", ru="тип"),
    "fits": Text(en="fits", ru="помещается"),
    "bottleneck": Text(en="bottleneck", ru="узкое место"),
    "predicted": Text(en="predicted", ru="предсказано"),
    "measured": Text(en="measured", ru="измерено"),
    "ratio": Text(en="measured / predicted", ru="измерено / предсказано"),
}


def show(opened: Profiled, found: list[Prediction], measured: Measured | None, lang: Lang) -> None:
    """Print everything in one language."""
    _head(opened, lang)
    if len(found) == 1:
        _one(found[0], lang)
    else:
        _many(found, lang)
    if measured is not None:
        _here(measured, lang)


def duration(seconds: float, lang: Lang) -> str:
    """Seconds in the unit that fits: `12.3 ms`."""
    for size, en, ru in ((1.0, "s", "с"), (1e-3, "ms", "мс"), (1e-6, "µs", "мкс")):
        if seconds >= size or en == "µs":
            return f"{seconds / size:.3g} {ru if lang == 'ru' else en}"
    raise AssertionError


def bottleneck(one: Prediction, lang: Lang) -> str:
    """In a sentence where the time goes."""
    spent = one.time_by_limit()
    limit = max(spent, key=lambda each: spent[each])
    part = spent[limit] / one.seconds if one.seconds else 0.0
    top = one.bottlenecks(1)
    if not top:
        return Text(en="It does no work.", ru="Работы нет.").to(lang)
    first = top[0]
    what = {
        "compute": Text(en="arithmetic", ru="вычисления"),
        "memory": Text(en="moving bytes", ru="передача байт"),
        "overhead": Text(en="starting operators", ru="запуск операторов"),
    }[limit]
    name, share = one_line(first.name)[:60], one.share(first)
    return Text(
        en=f"{part:.0%} of the time is {what.en}; the longest operator is {name} ({first.op}), "
        f"{share:.0%}.",
        ru=f"{part:.0%} времени — {what.ru}; дольше всех работает {name} ({first.op}), "
        f"{share:.0%}.",
    ).to(lang)


def _head(opened: Profiled, lang: Lang) -> None:
    workload = opened.workload
    weights, held = workload.weights.bytes(), workload.peak_activation_bytes()
    number = (lambda n: f"{n:,}") if lang == "en" else ru_number
    click.secho(one_line(opened.path.name), bold=True)
    click.echo(
        Text(
            en=f"{number(workload.macs)} MACs, {number(workload.params)} parameters, "
            f"{workload.dtype}, batch {workload.batch}; weights {number(weights)} B, activations "
            f"at most {number(held)} B at once",
            ru=f"{number(workload.macs)} MAC, параметров {number(workload.params)}, "
            f"{workload.dtype}, батч {workload.batch}; веса {number(weights)} Б, активаций "
            f"одновременно не больше {number(held)} Б",
        ).to(lang)
    )
    for code in workload.codes:
        click.echo(
            f"    {number(code.bytes)} {'Б' if lang == 'ru' else 'B'}: {code.title.to(lang)}"
        )
    click.echo()


def _hardware(one: Prediction, lang: Lang) -> str:
    """What the prediction rests on; the catalogue says where each figure is from."""
    peak, moved = f"{one.peak / 1e9:.3g}", f"{one.platform.bandwidth.value / 1e9:.3g}"
    line = Text(
        en=f"Hardware: {peak} GMAC/s in {one.dtype}, {moved} GB/s",
        ru=f"Железо: {peak} GMAC/с в {one.dtype}, {moved} ГБ/с",
    ).to(lang)
    power = one.platform.power_w
    return line if power is None else f"{line}, {power.value:g} {'Вт' if lang == 'ru' else 'W'}"


def _one(one: Prediction, lang: Lang) -> None:
    click.secho(one.platform.title.to(lang), bold=True)
    colour = "green" if one.fit.fits else "yellow" if one.fit.rescue else "red"
    click.secho(one.fit.sentence.to(lang), fg=colour)
    click.echo(_hardware(one, lang))
    lower = Text(en="Predicted, at best", ru="Предсказано, в лучшем случае").to(lang)
    click.echo(f"{lower}: {duration(one.seconds, lang)} ({one.dtype}). {bottleneck(one, lang)}")
    click.echo()
    table = _table(("layer", "weights", "moved", "intensity", "limit", "time", "share"), lang)
    for layer in _shown(one):
        table.add_row(
            f"{one_line(layer.name)[:44]} ({layer.op})",
            f"{layer.macs:,}",
            f"{layer.weight_bytes:,}",
            f"{layer.bytes_moved:,}",
            f"{layer.intensity:.3g}" if math.isfinite(layer.intensity) else "∞",
            LIMITS[layer.limit].to(lang),
            duration(layer.seconds, lang),
            f"{one.share(layer):.1%}",
        )
    _console().print(table)
    if len(one.layers) > MOST_LAYERS:
        click.echo(f"... + {len(one.layers) - MOST_LAYERS}")


def _shown(one: Prediction) -> list[LayerTime]:
    """All operators in their order, or the longest of them where there are many."""
    if len(one.layers) <= MOST_LAYERS:
        return list(one.layers)
    longest = {id(layer) for layer in one.bottlenecks(MOST_LAYERS)}
    return [layer for layer in one.layers if id(layer) in longest]


def _many(found: list[Prediction], lang: Lang) -> None:
    table = Table(box=None, pad_edge=False)
    for key in ("platform", "dtype", "fits", "time", "limit", "bottleneck"):
        table.add_column(
            _HEADINGS[key].to(lang), justify="right" if key == "time" else "left", no_wrap=True
        )
    for one in found:
        spent = one.time_by_limit()
        top = one.bottlenecks(1)
        table.add_row(
            one.platform.name,
            one.dtype,
            verdict(one, lang),
            duration(one.seconds, lang),
            LIMITS[max(spent, key=lambda each: spent[each])].to(lang),
            one_line(top[0].name)[:40] if top else "",
        )
    _console().print(table)
    click.echo()
    for one in found:
        if not one.fit.fits:
            click.echo(f"{one.platform.name}: {one.fit.sentence.to(lang)}")
    click.echo(
        Text(
            en="Times are lower bounds (roofline); --platform NAME shows one by operators.",
            ru="Время — нижняя оценка (roofline); --platform ИМЯ покажет одну по операторам.",
        ).to(lang)
    )


def verdict(one: Prediction, lang: Lang) -> str:
    """Fits, fits compressed, or not, in a word."""
    if one.fit.fits:
        return Text(en="yes", ru="да").to(lang)
    if one.fit.rescue is not None:
        return Text(en="compressed", ru="сжатая").to(lang)
    return Text(en="no", ru="нет").to(lang)


def _here(measured: Measured, lang: Lang) -> None:
    calibration = measured.calibration
    rates = ", ".join(
        f"{rate / 1e9:.1f} GMAC/s {dtype}" for dtype, rate in calibration.macs_per_second.items()
    )
    gigabytes, overhead = calibration.bytes_per_second / 1e9, calibration.overhead_s * 1e6
    click.echo()
    click.secho(
        Text(en="This machine, one thread", ru="Эта машина, один поток").to(lang), bold=True
    )
    click.echo(
        Text(
            en=f"{rates}, {gigabytes:.1f} GB/s, {overhead:.2f} µs an operator",
            ru=f"{rates}, {gigabytes:.1f} ГБ/с, {overhead:.2f} мкс на оператор",
        ).to(lang)
    )
    table = Table(box=None, pad_edge=False)
    for key in ("layer", "predicted", "measured", "ratio"):
        table.add_column(
            _HEADINGS[key].to(lang), justify="left" if key == "layer" else "right", no_wrap=True
        )
    for layer in _shown(measured.prediction):
        took = measured.by_layer[layer.name]
        _row(table, f"{one_line(layer.name)[:44]} ({layer.op})", layer.seconds, took, lang)
    whole = Text(en="the model whole", ru="модель целиком").to(lang)
    _row(table, whole, measured.prediction.seconds, measured.seconds, lang)
    _console().print(table)
    middle = duration(measured.median_s, lang)
    click.echo(
        Text(
            en=f"Fastest of {measured.rounds} rounds; the median of the whole is {middle}.",
            ru=f"Быстрейший из {measured.rounds} проходов; медиана для всей модели {middle}.",
        ).to(lang)
    )


def _row(table: Table, name: str, predicted: float, took: float, lang: Lang) -> None:
    ratio = f"{took / predicted:.2f}" if predicted else "—"
    table.add_row(name, duration(predicted, lang), duration(took, lang), ratio)


def _table(keys: tuple[str, ...], lang: Lang) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(_HEADINGS[keys[0]].to(lang), no_wrap=True)
    table.add_column("MAC", justify="right", no_wrap=True)
    for key in keys[1:]:
        table.add_column(
            _HEADINGS[key].to(lang), justify="left" if key == "limit" else "right", no_wrap=True
        )
    return table


def _console() -> Console:
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=max(console.width, 160))
    return console
