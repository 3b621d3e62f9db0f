"""Models on the platforms of the catalogue, and the figures of the catalogue that are our own.

    python benchmarks/profile_platforms.py [--from FOLDER] [--json] [--write-docs]
    python benchmarks/profile_platforms.py --avr        cycles of a MAC on the ATmega328P
    python benchmarks/profile_platforms.py --overhead   this machine, one thread

Prints the catalogue, then for the keyword-spotting baseline, its int8 version and the tinychat
network (the published one where FOLDER holds tinychat) whether each platform holds it, the
predicted time and what limits it. With `--write-docs` the tables in docs/platforms.md are replaced.
`--avr` returns 1 when the simulated board disagrees with the catalogue. Takes a few seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from grader import board
from grader.cli.profile import LIMITS, duration, verdict
from grader.handout import figures
from grader.lesson import course
from grader.measure.hardware import platforms, this_machine
from grader.measure.hardware.platforms import DType, Figure, Platform
from grader.measure.hardware.profiled import Profiled, open_model
from grader.measure.hardware.roofline import Prediction, predict

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "platforms.md"
KERNELS = Path(__file__).parent / "dot_products.c"
PRODUCTS: dict[DType, int] = {"int8": 128, "int16": 64, "float32": 64}
"""How many of each kind dot_products.c computes, in the order of its marks."""


def main() -> int:
    arguments = _arguments()
    if arguments.avr:
        return _avr(arguments.json)
    if arguments.overhead:
        return _overhead(arguments.json)
    if arguments.json:
        print(json.dumps({name: _record(*one) for name, one in _models(arguments.source)}))
        return 0
    for name, table in tables(arguments.source).items():
        print(f"{name}\n\n{table}\n")
        if arguments.write_docs:
            figures.write_between(PAGE, name, table)
    return 0


def tables(source: Path | None = None) -> dict[str, str]:
    """The tables of docs/platforms.md by the name of their markers."""
    return {"catalogue": _catalogue()} | {name: _table(*one) for name, one in _models(source)}


def cycles() -> dict[DType, float]:
    """Cycles of one multiply-accumulate with its loads, on the simulated board."""
    image = board.build({"main.c": KERNELS.read_bytes()})
    with board.Board(image) as uno:
        spent = uno.ask("").inferences[0].layer_cycles()
    return {dtype: spent[at] / count for at, (dtype, count) in enumerate(PRODUCTS.items())}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, help="folder with tinychat/model.npz")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--avr", action="store_true")
    parser.add_argument("--overhead", action="store_true")
    return parser.parse_args()


def _models(source: Path | None) -> Iterator[tuple[str, tuple[Profiled, DType | None]]]:
    """The name of each table, its model and the type that it is run in."""
    lessons = course.assignments()
    speech = open_model(lessons / "distillation" / "baseline" / "speech-synthetic.onnx")
    yield "kws", (speech, None)
    yield "kws-int8", (speech, "int8")
    chat = lessons / "pruning_arduino" / "baseline" / "tinychat.npz"
    if source is not None:
        chat = source / "tinychat" / "model.npz"
    yield "tinychat", (open_model(chat), None)


def _predictions(opened: Profiled, dtype: DType | None) -> list[Prediction]:
    known = platforms.catalogue().platforms.values()
    return [
        predict(opened.workload, one, dtype) for one in known if dtype is None or dtype in one.peak
    ]


def _table(opened: Profiled, dtype: DType | None) -> str:
    rows = []
    for one in _predictions(opened, dtype):
        spent = one.time_by_limit()
        limit = max(spent, key=lambda key: spent[key])
        flash = one.fit.storage
        rows.append(
            [
                one.platform.name,
                one.dtype,
                verdict(one, "en"),
                "—" if flash is None else _share(flash.needed / flash.available),
                _share(one.fit.ram.needed / one.fit.ram.available),
                duration(one.seconds, "en"),
                str(LIMITS[limit]),
                f"{one.bottlenecks(1)[0].name} ({one.share(one.bottlenecks(1)[0]):.0%})",
            ]
        )
    heading = ["platform", "type", "fits", "of flash", "of RAM", "time", "limit", "bottleneck"]
    return figures.table(heading, rows)


def _record(opened: Profiled, dtype: DType | None) -> list[dict[str, object]]:
    return [
        {
            "platform": one.platform.name,
            "dtype": one.dtype,
            "fits": one.fit.fits,
            "fits_compressed": one.fit.rescue is not None,
            "seconds": one.seconds,
        }
        for one in _predictions(opened, dtype)
    ]


def _catalogue() -> str:
    heading = ["platform", "weights in", "RAM", "bytes/s", "float32", "int8", "ridge, int8", "W"]
    rows = [_row(one) for one in platforms.catalogue().platforms.values()]
    return figures.table(heading, rows)


def _row(one: Platform) -> list[str]:
    ridge = one.peak["int8"].value / one.bandwidth.value
    return [
        f"{one.name}: {one.title}",
        _bytes(one.memory.storage) if one.memory.storage else "RAM",
        _bytes(one.memory.ram),
        _short(one.bandwidth),
        _short(one.peak.get("float32")),
        _short(one.peak.get("int8")),
        f"{ridge:.2f}" if ridge < 10 else f"{ridge:.0f}",
        f"{one.power_w.value:g}" if one.power_w else "—",
    ]


def _share(part: float) -> str:
    return "<0.1%" if part < 0.001 else f"{part:.1%}" if part < 0.1 else f"{part:.0%}"


def _short(figure: Figure | None) -> str:
    if figure is None:
        return "—"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if figure.value >= size:
            return f"{figure.value / size:.3g} {letter}"
    return f"{figure.value:.3g}"


def _bytes(figure: Figure) -> str:
    for size, letter in ((2**30, "G"), (2**20, "M"), (2**10, "K")):
        if figure.value >= size:
            return f"{figure.value / size:.4g} {letter}B"
    return f"{figure.value:.0f} B"


def _avr(as_json: bool) -> int:
    found = cycles()
    platform = platforms.load("atmega328p")
    rates = {dtype: board.CLOCK_HZ / spent for dtype, spent in found.items()}
    if as_json:
        print(json.dumps({"cycles": found, "macs_per_second": rates}))
    else:
        rows = [
            [d, f"{c:.2f}", f"{rates[d]:,.0f}", _short(platform.peak[d])] for d, c in found.items()
        ]
        print(figures.table(["type", "cycles a MAC", "MAC/s", "catalogue"], rows))
    return int(any(abs(platform.peak[d].value - rate) > 1 for d, rate in rates.items()))


def _overhead(as_json: bool) -> int:
    """What `grader profile --measure` takes as this machine's roof, from the smallest baseline."""
    opened = next(_models(None))[1][0]
    found = this_machine.measure(opened.data, opened.workload)
    here = found.calibration
    measured = {
        "overhead_us": here.overhead_s * 1e6,
        "call_us": here.call_s * 1e6,
        "gmacs_per_second": here.macs_per_second["float32"] / 1e9,
        "gbytes_per_second": here.bytes_per_second / 1e9,
        "predicted_us": found.prediction.seconds * 1e6,
        "measured_us": found.seconds * 1e6,
    }
    if as_json:
        print(json.dumps(measured))
    else:
        print(figures.table(["figure", "value"], [[k, f"{v:.3g}"] for k, v in measured.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
