"""`grader profile MODEL`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli import options
from grader.lesson.grades import write_atomically
from grader.measure.hardware.platforms import DTYPES, DType, Platform, catalogue, load
from grader.text import Lang
from grader.text.errors import ExitCode, GraderError, UsageError

if TYPE_CHECKING:
    from grader.measure.hardware.profiled import Profiled
    from grader.measure.hardware.roofline import Prediction
    from grader.measure.hardware.this_machine import Measured

ALL = "all"


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
    from grader.cli import profile_tables
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
        profile_tables.show(opened, found, here, lang)
    return ExitCode.OK


def _sizes(given: Sequence[str]) -> dict[str, int]:
    found = {}
    for one in given:
        name, _, size = one.rpartition("=")
        if not name or not size.isdecimal() or not 1 <= int(size) <= 10**6:
            raise UsageError(
                en=f"--size {one} is not NAME=N with a whole number, as length=32.",
                ru=f"--size {one} — не ИМЯ=N с целым числом, например length=32.",
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
        raise UsageError(
            en=f"No platform of the catalogue can compute in {dtype}.",
            ru=f"Ни одна платформа каталога не умеет считать в {dtype}.",
        )
    return found


def _measured(opened: Profiled, dtype: DType | None, sizes: dict[str, int]) -> Measured:
    from grader.measure.hardware.this_machine import measure

    if opened.form != "onnx":
        raise UsageError(
            en="--measure runs ONNX models; an integer network is measured on the simulated "
            "board, by `grader check` in its project.",
            ru="--measure запускает модели ONNX; целочисленная сеть измеряется на "
            "симулированной плате командой `grader check` в её проекте.",
        )
    if dtype not in (None, opened.workload.dtype):
        raise UsageError(
            en=f"--measure runs the model as it is exported, in {opened.workload.dtype}; "
            f"leave --dtype {dtype} out, or convert the model first.",
            ru=f"--measure запускает модель в том виде, в каком она экспортирована "
            f"({opened.workload.dtype}); уберите --dtype {dtype} или сначала преобразуйте "
            "модель.",
        )
    try:
        return measure(opened.data, opened.workload, sizes=sizes)
    except GraderError as error:
        error.exit_code = ExitCode.UNGRADED
        raise
