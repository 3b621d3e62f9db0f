"""`grader profile MODEL`: one platform operator by operator, or all beside each other."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.table import Table

from grader.cli import options
from grader.cli.show import wide_console
from grader.lesson.grades import write_atomically
from grader.measure.hardware.platforms import DTYPES, DType, Platform, catalogue, load
from grader.text import Lang, Text, join, verbatim
from grader.text.errors import ExitCode, GraderError, UsageError
from grader.text.numbers import formatted, number
from grader.text.untrusted import one_line

if TYPE_CHECKING:
    from grader.measure.hardware.profiled import Profiled
    from grader.measure.hardware.roofline import LayerTime, Prediction
    from grader.measure.hardware.this_machine import Measured

ALL = "all"
MOST_LAYERS = 60
"""Operators that are listed; of more, the longest."""
LIMITS = {
    "compute": Text("compute"),
    "memory": Text("memory"),
    "overhead": Text("overhead"),
}
_HEADINGS = {
    "layer": Text("operator"),
    "macs": verbatim("MAC"),
    "weights": Text("weights, B"),
    "moved": Text("moved, B"),
    "intensity": Text("MAC/B"),
    "limit": Text("limited by"),
    "time": Text("time"),
    "share": Text("share"),
    "platform": Text("platform"),
    "dtype": Text("type"),
    "fits": Text("fits"),
    "bottleneck": Text("bottleneck"),
    "predicted": Text("predicted"),
    "measured": Text("measured"),
    "ratio": Text("measured / predicted"),
}
_WORDS = {"layer", "limit", "platform", "dtype", "fits", "bottleneck"}
"""Columns that hold no numbers."""


@click.command()
@click.argument("model", type=options.PATH)
@click.option(
    "--platform",
    default=ALL,
    show_default=True,
    help="A platform of the catalogue, or all of them beside each other.",
)
@click.option(
    "--platforms",
    "files",
    multiple=True,
    type=options.PATH,
    help="A TOML file with platforms of your own; see docs/platforms.md.",
)
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="As if the numbers of the model had this type.  [default: as exported]",
)
@click.option("--batch", type=click.IntRange(1, 4096), default=1, show_default=True)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N",
    help="Size of a dynamic dimension, as length=32.",
)
@click.option(
    "--measure",
    "measured",
    is_flag=True,
    help="Also run the model here, whole and operator by operator (ONNX Runtime, one thread).",
)
@options.html
@options.as_json
@options.lang
def command(
    model: Path,
    platform: str,
    files: tuple[Path, ...],
    dtype: DType | None,
    batch: int,
    sizes: tuple[str, ...],
    measured: bool,
    html: Path | None,
    as_json: bool,
    lang: Lang,
) -> int:
    """Where the time of MODEL goes on a platform, and whether it fits.

    MODEL is an .onnx file, or the model.npz of the Arduino lesson. Times are those of the roofline
    model, a lower bound: no program reaches the peak of its hardware.
    """
    from grader.measure.hardware import profiled

    known, given_sizes = catalogue(files), _sizes(sizes)
    chosen = [load(platform, files)] if platform != ALL else list(known.platforms.values())
    opened = profiled.open_model(model, batch=batch, sizes=given_sizes)
    found = _predictions(opened, chosen, dtype)
    here = _measured(opened, dtype, given_sizes) if measured else None
    if html is not None:
        from grader.report.profile import page

        text = page(opened.path.name, found, known, lang, here)
        write_atomically(html.absolute(), text.encode())
    if as_json:
        record = profiled.record(opened, found, here)
        click.echo(json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False))
    else:
        _show(opened, found, here, lang)
    return ExitCode.OK


def _sizes(given: Sequence[str]) -> dict[str, int]:
    found = {}
    for one in given:
        name, _, size = one.rpartition("=")
        if not name or not size.isdecimal() or not 1 <= int(size) <= 10**6:
            raise UsageError(
                "--size {one} is not NAME=N with a whole number, as length=32.", one=one
            )
        found[name] = int(size)
    return found


def _predictions(
    opened: Profiled, chosen: Sequence[Platform], dtype: DType | None
) -> list[Prediction]:
    """The model's times on each platform, without those that cannot compute in `dtype`.

    Raises UsageError when none can.
    """
    from grader.measure.hardware.roofline import predict

    found = []
    for platform in chosen:
        try:
            found.append(predict(opened.workload, platform, dtype))
        except UsageError:
            if len(chosen) == 1:
                raise
    if not found:
        raise UsageError("No platform of the catalogue can compute in {dtype}.", dtype=dtype)
    return found


def _measured(opened: Profiled, dtype: DType | None, sizes: dict[str, int]) -> Measured:
    from grader.measure.hardware.this_machine import measure

    if opened.form != "onnx":
        raise UsageError(
            "--measure runs ONNX models; an integer network is measured on the simulated board, "
            "by `grader check` in its project."
        )
    if dtype not in (None, opened.workload.dtype):
        raise UsageError(
            "--measure runs the model as it is exported, in {dtype}; leave --dtype {dtype2} out, "
            "or convert the model first.",
            dtype=opened.workload.dtype,
            dtype2=dtype,
        )
    try:
        return measure(opened.data, opened.workload, sizes=sizes)
    except GraderError as error:
        error.exit_code = ExitCode.UNGRADED
        raise


def _show(opened: Profiled, found: list[Prediction], measured: Measured | None, lang: Lang) -> None:
    """Print the model, one prediction by operators or several as a table, and what was measured
    on this machine."""
    workload = opened.workload
    weights, held = workload.weights.bytes(), workload.peak_activation_bytes()
    click.secho(one_line(opened.path.name), bold=True)
    about = Text(
        "{macs:,} MACs, {params:,} parameters, {dtype}, batch {batch}; weights {weights:,} B, "
        "activations at most {held:,} B at once",
        macs=workload.macs,
        params=workload.params,
        dtype=workload.dtype,
        batch=workload.batch,
        weights=weights,
        held=held,
    )
    click.echo(about.to(lang))
    for code in workload.codes:
        stored = Text("{count:,} B: {title}", count=code.bytes, title=code.title)
        click.echo(f"    {stored.to(lang)}")
    click.echo()
    if len(found) == 1:
        _print_operators(found[0], lang)
    else:
        _print_platforms(found, lang)
    if measured is not None:
        _print_measured(measured, lang)


def duration(seconds: float, lang: Lang) -> str:
    """Seconds in the unit that fits: `12.3 ms`."""
    if seconds >= 1:
        return Text("{amount:.3g} s", amount=seconds).to(lang)
    if seconds >= 1e-3:
        return Text("{amount:.3g} ms", amount=1e3 * seconds).to(lang)
    return Text("{amount:.3g} µs", amount=1e6 * seconds).to(lang)


def _bottleneck(one: Prediction, lang: Lang) -> str:
    """A sentence that says where the time goes."""
    if not (top := one.bottlenecks(1)):
        return Text("It does no work.").to(lang)
    first, spent = top[0], one.time_by_limit()
    limit = max(spent, key=spent.__getitem__)
    part = spent[limit] / one.seconds if one.seconds else 0.0
    what = {
        "compute": Text("arithmetic"),
        "memory": Text("moving bytes"),
        "overhead": Text("starting operators"),
    }[limit]
    name, share = one_line(first.name)[:60], one.share(first)
    return Text(
        "{part:.0%} of the time is {what}; the longest operator is {name} ({op}), {share:.0%}.",
        part=part,
        what=what,
        name=name,
        op=first.op,
        share=share,
    ).to(lang)


def _print_operators(one: Prediction, lang: Lang) -> None:
    click.secho(one.platform.title.to(lang), bold=True)
    color = "green" if one.fit.fits else "yellow" if one.fit.rescue else "red"
    click.secho(one.fit.sentence.to(lang), fg=color)
    hardware = Text(
        "Hardware: {peak:.3g} GMAC/s in {dtype}, {moved:.3g} GB/s",
        peak=one.peak / 1e9,
        dtype=one.dtype,
        moved=one.platform.bandwidth.value / 1e9,
    ).to(lang)
    if (power := one.platform.power_w) is not None:
        hardware += ", " + Text("{power:g} W", power=power.value).to(lang)
    click.echo(hardware)
    lower = Text("Predicted, at best").to(lang)
    click.echo(f"{lower}: {duration(one.seconds, lang)} ({one.dtype}). {_bottleneck(one, lang)}")
    click.echo()
    columns = ("layer", "macs", "weights", "moved", "intensity", "limit", "time", "share")
    table = _table(columns, lang)
    for layer in _shown(one):
        table.add_row(
            f"{one_line(layer.name)[:44]} ({layer.op})",
            *(number(n, lang) for n in (layer.macs, layer.weight_bytes, layer.bytes_moved)),
            formatted(layer.intensity, ".3g", lang) if math.isfinite(layer.intensity) else "∞",
            LIMITS[layer.limit].to(lang),
            duration(layer.seconds, lang),
            formatted(one.share(layer), ".1%", lang),
        )
    wide_console().print(table)
    if len(one.layers) > MOST_LAYERS:
        click.echo(f"... + {len(one.layers) - MOST_LAYERS}")


def _shown(one: Prediction) -> list[LayerTime]:
    """All operators in their order, or the longest of them where there are many."""
    if len(one.layers) <= MOST_LAYERS:
        return list(one.layers)
    longest = {id(layer) for layer in one.bottlenecks(MOST_LAYERS)}
    return [layer for layer in one.layers if id(layer) in longest]


def _print_platforms(found: list[Prediction], lang: Lang) -> None:
    table = _table(("platform", "dtype", "fits", "time", "limit", "bottleneck"), lang)
    for one in found:
        spent = one.time_by_limit()
        top = one.bottlenecks(1)
        table.add_row(
            one.platform.name,
            one.dtype,
            verdict(one, lang),
            duration(one.seconds, lang),
            LIMITS[max(spent, key=spent.__getitem__)].to(lang),
            one_line(top[0].name)[:40] if top else "",
        )
    wide_console().print(table)
    click.echo()
    for one in found:
        if not one.fit.fits:
            click.echo(f"{one.platform.name}: {one.fit.sentence.to(lang)}")
    explained = Text("Times are lower bounds (roofline); --platform NAME shows one by operators.")
    click.echo(explained.to(lang))


def verdict(one: Prediction, lang: Lang) -> str:
    """Whether the model fits the platform: yes, compressed, or no."""
    if one.fit.fits:
        return Text("yes").to(lang)
    if one.fit.rescue is not None:
        return Text("compressed").to(lang)
    return Text("no").to(lang)


def _print_measured(measured: Measured, lang: Lang) -> None:
    calibration = measured.calibration
    rates = join(
        ", ",
        (
            Text("{rate:.1f} GMAC/s {dtype}", rate=rate / 1e9, dtype=dtype)
            for dtype, rate in calibration.macs_per_second.items()
        ),
    )
    gigabytes, overhead = calibration.bytes_per_second / 1e9, calibration.overhead_s * 1e6
    click.echo()
    here = Text("This machine, one thread")
    click.secho(here.to(lang), bold=True)
    machine = Text(
        "{rates}, {gigabytes:.1f} GB/s, {overhead:.2f} µs an operator",
        rates=rates,
        gigabytes=gigabytes,
        overhead=overhead,
    )
    click.echo(machine.to(lang))
    table = _table(("layer", "predicted", "measured", "ratio"), lang)
    rows = [
        (f"{one_line(one.name)[:44]} ({one.op})", one.seconds, measured.by_layer[one.name])
        for one in _shown(measured.prediction)
    ]
    whole = Text("the model whole").to(lang)
    rows.append((whole, measured.prediction.seconds, measured.seconds))
    for name, predicted, took in rows:
        ratio = formatted(took / predicted, ".2f", lang) if predicted else "—"
        table.add_row(name, duration(predicted, lang), duration(took, lang), ratio)
    wide_console().print(table)
    middle = duration(measured.median_s, lang)
    summary = Text(
        "Fastest of {rounds} rounds; the median of the whole is {middle}.",
        rounds=measured.rounds,
        middle=middle,
    )
    click.echo(summary.to(lang))


def _table(keys: tuple[str, ...], lang: Lang) -> Table:
    table = Table(box=None, pad_edge=False)
    for key in keys:
        justify: Literal["left", "right"] = "left" if key in _WORDS else "right"
        table.add_column(_HEADINGS[key].to(lang), justify=justify, no_wrap=True)
    return table
