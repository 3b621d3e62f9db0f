"""The measured tables of the profiling handout, in both languages.

    python assignments/profiling/figures/tables.py [--write] [--only NAME ...]

Eleven tables. Counted or computed, the same each time: published networks on the catalogue's
platforms; what a link carries; the catalogue; the keyword spotter on it, whole and by layer; one
figure for each class of methods from what the other lessons have committed; what thop and torch's
own counter see of the lesson's families. Timed, in timed.py: three regimes,
batches, the slow network by stage, by operator, and Amdahl's law. With `--write` each replaces the
text between its two markers in assignments/profiling/handout.{ru,en}.md. Takes half a minute on
one core.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import io
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import timed
import torch

from grader.cli.profile import LIMITS, duration
from grader.handout import measured
from grader.handout.figures import Table, plain, project, publish
from grader.lesson import course, loading
from grader.measure.hardware import platforms
from grader.measure.hardware.platforms import DType, Platform
from grader.measure.hardware.profiled import Profiled, open_model
from grader.measure.hardware.roofline import Prediction, predict
from grader.text import Text, languages, verbatim

NAME = "profiling"
LESSON = course.assignments() / NAME
SOURCED = LESSON / "figures" / "sourced.toml"
SPEECH = course.assignments() / "distillation" / "baseline" / "speech-synthetic.onnx"
SEED = "handout"
SOUND_BYTES = 2 * 16_000
"""A second at 16 kHz, 16 bits."""
FRAME_BYTES = 640 * 480 * 3
"""One picture of a small camera, a byte a colour."""
KINDS = {
    "microcontroller": Text("microcontroller"),
    "single_board": Text("single board"),
    "laptop": Text("laptop"),
    "server": Text("server"),
    "fpga": Text("programmable logic"),
}
PRICES = {
    "under 10 USD": verbatim("< $10"),
    "10 to 50 USD": verbatim("$10–50"),
    "50 to 150 USD": verbatim("$50–150"),
    "150 to 500 USD": verbatim("$150–500"),
    "500 to 2,000 USD": Text("$500–2,000"),
    "over 10,000 USD": Text("> $10,000"),
}


# Published networks and the world -----------------------------------------------------------


def sourced() -> dict[str, Any]:
    """figures/sourced.toml: what others have published."""
    return tomllib.loads(SOURCED.read_text(encoding="utf-8"))


def models() -> Table:
    """Published networks, and the least of the catalogue's platforms that holds their weights."""
    rows = [
        (
            verbatim(one["name"]),
            verbatim(one["year"]),
            _short(one["parameters"]),
            _bytes(4 * one["parameters"]),
            _holder(4 * one["parameters"]),
            _holder(one["parameters"]),
        )
        for one in sourced()["models"]
    ]
    return Table(
        header=(
            Text("network"),
            Text("year"),
            Text("parameters"),
            Text("in float32"),
            Text("least platform, float32"),
            verbatim("int8"),
        ),
        rows=rows,
        caption=Text(
            "Published sizes (sources in `figures/sourced.toml`); the platform is the first of "
            "the catalogue whose flash, or else RAM, holds the weights alone."
        ),
    )


def _holder(size: int) -> Text:
    for one in _platforms():
        memory = one.memory.storage or one.memory.ram
        if size <= memory.value:
            return plain(f"`{one.name}`")
    return Text("none")


def links() -> Table:
    """How long a second of sound, a picture and an answer take on their way."""
    rows = [
        (
            Text.in_languages(one["name"]),
            *(
                _duration(8 * size / one["bits_per_second"])
                for size in (SOUND_BYTES, FRAME_BYTES, 1)
            ),
        )
        for one in sourced()["links"]
    ]
    return Table(
        header=(
            Text("link"),
            Text("1 s of sound"),
            Text("one picture"),
            Text("the answer, 1 B"),
        ),
        rows=rows,
        caption=Text(
            "Computed: {sound_bytes:,} B of sound at 16 kHz, {frame_bytes:,} B of a picture of "
            "640 × 480, over the nominal bit rate; protocols take more.",
            sound_bytes=SOUND_BYTES,
            frame_bytes=FRAME_BYTES,
        ),
    )


# The catalogue ------------------------------------------------------------------------------


def zoo() -> Table:
    """The catalogue of platforms."""
    return Table(
        header=(
            Text("platform"),
            Text("kind"),
            Text("weights in"),
            Text("RAM"),
            Text("B/s"),
            Text("int8 MAC/s"),
            Text("ridge, MAC/B"),
            Text("W"),
            Text("price"),
        ),
        rows=[_animal(one) for one in _platforms()],
        caption=Text(
            "From `grader/measure/hardware/catalogue.toml`, where each figure has its source."
        ),
    )


def _animal(one: Platform) -> tuple[Text, ...]:
    flash = one.memory.storage
    peak = one.peak["int8"].value
    ridge = peak / one.bandwidth.value
    return (
        plain(f"`{one.name}`"),
        KINDS[one.kind],
        _bytes(flash.value) if flash else Text("RAM"),
        _bytes(one.memory.ram.value),
        _short(one.bandwidth.value),
        _short(peak),
        plain(f"{ridge:.2f}" if ridge < 10 else f"{ridge:.0f}"),
        plain(f"{one.power_w.value:g}" if one.power_w else "–"),
        PRICES[one.price],
    )


def kws() -> Table:
    """The keyword spotter on every platform."""
    rows = []
    for platform in _platforms():
        whole, small = _kws(platform, None), _kws(platform, "int8")
        spent = small.time_by_limit()
        limit = max(spent, key=lambda key: spent[key])
        power = platform.power_w
        rows.append(
            (
                plain(f"`{platform.name}`"),
                Text("yes") if small.fit.fits else Text("no"),
                _duration(whole.seconds),
                _duration(small.seconds),
                plain(f"{whole.seconds / small.seconds:.1f}"),
                LIMITS[limit],
                _three(1e3 * small.seconds * power.value) if power else plain("–"),
            )
        )
    return Table(
        header=(
            Text("platform"),
            Text("int8 fits"),
            plain("float32"),
            plain("int8"),
            Text("times faster"),
            Text("int8 waits for"),
            Text("mJ an answer"),
        ),
        rows=rows,
        caption=Text(
            "Predicted with the roofline of the catalogue, at best; energy is that time at the "
            "catalogue's power."
        ),
    )


def layers() -> Table:
    """Shares of parameters, work and predicted time, layer by layer."""
    opened = _speech()
    names = ("esp32", "laptop-cpu", "server-gpu")
    found = [_kws(platforms.load(name), None) for name in names]
    total = opened.workload
    rows = []
    for title, wanted in _groups():
        chosen = [n for n, work in enumerate(total.works) if wanted(work.name)]
        works = [total.works[n] for n in chosen]
        rows.append(
            (
                title,
                _percent(sum(w.weights.bytes() for w in works) / total.weights.bytes()),
                _percent(sum(w.macs for w in works) / total.macs),
                *(
                    _percent(sum(one.layers[n].seconds for n in chosen) / one.seconds)
                    for one in found
                ),
            )
        )
    return Table(
        header=(
            Text("layer"),
            Text("of the bytes"),
            Text("of the MACs"),
            *(Text("of the time, `{name}`", name=name) for name in names),
        ),
        rows=rows,
        caption=Text(
            "The keyword spotter in float32: counted in its file, predicted for three platforms."
        ),
    )


def _groups() -> list[tuple[Text, Callable[[str], bool]]]:
    known = ("/conv/Conv", "/gru/GRU", "/gru/GRU_1")

    def attention(name: str) -> bool:
        return name.startswith("/energy/")

    return [
        (Text("convolution"), lambda name: name == known[0]),
        (Text("first GRU"), lambda name: name == known[1]),
        (Text("second GRU"), lambda name: name == known[2]),
        (Text("attention"), attention),
        (
            Text("all other operators"),
            lambda name: name not in known and not attention(name),
        ),
    ]


@cache
def _speech() -> Profiled:
    return open_model(SPEECH)


def _kws(platform: Platform, dtype: DType | None) -> Prediction:
    return predict(_speech().workload, platform, dtype)


def _platforms() -> list[Platform]:
    return list(platforms.catalogue().platforms.values())


# What the other lessons have committed ------------------------------------------------------


def methods() -> Table:
    """One committed figure for each class of methods."""
    return Table(
        header=(
            Text("class"),
            Text("example"),
            Text("fewer bytes"),
            Text("less cost"),
            Text("quality"),
        ),
        rows=[
            *_distilled(),
            _integers(),
            _pruned(),
            _architecture(),
            _hardware(),
            *_programs(),
            _combined(),
        ],
        caption=Text(
            "Factors from the records of the distillation, quantization, Arduino and streaming "
            "lessons. Cost is MACs, for the transformer and on the board milliseconds, predicted "
            "for the hardware. Quality is AU-FA-FR (less is better) or the share of right "
            "answers."
        ),
    )


def _distilled() -> list[tuple[Text, ...]]:
    return [
        _pair(
            Text("distillation"),
            Text("the same small network with a teacher"),
            ("small varied", "float32"),
            ("small distilled", "float32"),
        ),
        _pair(
            Text("quantization"),
            Text("its weights in int8"),
            ("small distilled", "float32"),
            ("small distilled", "int8"),
        ),
    ]


def _integers() -> tuple[Text, ...]:
    """From the table that the quantization lesson's reference solution hands in."""
    path = course.reference_solutions() / "quantization" / "table.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    whole, ptq = rows["teacher"], rows["teacher_ptq"]
    return (
        Text("quantization"),
        Text("a transformer's products in int8"),
        _ratio(float(whole["bytes"]), float(ptq["bytes"])),
        plain(f"{float(ptq['speedup']):.1f}"),
        plain(" → ".join(f"{100 * float(one['accuracy']):.1f}%" for one in (whole, ptq))),
    )


def _architecture() -> tuple[Text, ...]:
    return _pair(
        Text("architecture"),
        Text("separable convolutions for a small CRNN"),
        ("naive varied", "float32"),
        ("small varied", "float32"),
    )


def _combined() -> tuple[Text, ...]:
    return _pair(
        Text("combined"),
        Text("architecture, teacher, int8"),
        ("baseline", "float32"),
        ("tiny distilled", "int8"),
    )


def _pair(
    kind: Text, example: Text, before: tuple[str, str], after: tuple[str, str]
) -> tuple[Text, ...]:
    one, two = (_experiment("distillation", *which) for which in (before, after))
    return (
        kind,
        example,
        _ratio(float(one["bytes"]), float(two["bytes"])),
        _ratio(float(one["macs"]), float(two["macs"])),
        plain(" → ".join(_exponent(float(each["au_fa_fr"])) for each in (one, two))),
    )


def _pruned() -> tuple[Text, ...]:
    before, after = "unpruned, 256-256-192-128-39", "half the units, 256-128-96-64-39"
    table = _table("pruning_arduino", "estimates")
    qualities = (
        float(_experiment("pruning_arduino", name)["next_char_accuracy"])
        for name in ("unpruned 2 bits", "pruned 50%")
    )
    first, second = (f"{100 * quality:.1f}%" for quality in qualities)
    return (
        Text("pruning"),
        Text("half of all units"),
        _ratio(_cell(table, before, 2), _cell(table, after, 2)),
        _ratio(_cell(table, before, 4), _cell(table, after, 4)),
        plain(f"{first} → {second}"),
    )


def _programs() -> list[tuple[Text, ...]]:
    runtimes, costs = _table("pruning_arduino", "runtimes"), _table("streaming_kws", "costs")
    before, after = "rows, every weight", "columns, no zeros"
    whole, stream = "second recomputed every 80 ms", "streamed"
    kind = Text("inference")
    same = Text("the same")
    return [
        (
            kind,
            Text("a program that skips zeros"),
            _ratio(_cell(runtimes, before, 1), _cell(runtimes, after, 1)),
            _ratio(_cell(runtimes, before, 3), _cell(runtimes, after, 3)),
            same,
        ),
        (
            kind,
            Text("a stream that keeps its state"),
            _ratio(_cell(costs, whole, 3), _cell(costs, stream, 3)),
            _ratio(_cell(costs, whole, 1), _cell(costs, stream, 1)),
            same,
        ),
    ]


def _hardware() -> tuple[Text, ...]:
    slow, fast = (_kws(platforms.load(name), "int8") for name in ("cortex-m4", "cortex-m7"))
    return (
        Text("hardware"),
        Text("Cortex-M7 for Cortex-M4"),
        plain("1.0"),
        _ratio(slow.seconds, fast.seconds),
        Text("the same"),
    )


def _experiment(name: str, row: str, storage: str | None = None) -> dict[str, str]:
    path = course.reference_solutions() / name / "experiments.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [one for one in csv.DictReader(file) if one["name"] == row]
    return next(one for one in rows if storage is None or one["storage"] == storage)


def _table(name: str, table: str) -> measured.Table:
    """A measured table of another lesson's handout."""
    page = course.assignments() / name / "handout.en.md"
    return measured.tables(page.read_text(encoding="utf-8"))[table]


def _cell(table: measured.Table, row: str, column: int) -> float:
    return float(table.cell(row, column))


def _ratio(before: float, after: float) -> Text:
    return plain(f"{before / after:.1f}")


# What counters see --------------------------------------------------------------------------


def counters() -> Table:
    """MACs that three counters find in each family, as shares of the true ones."""
    autograder: Any = loading.load(NAME).autograder
    families = importlib.import_module(f"{autograder.__name__}.families")
    builders = project(LESSON, "harness_models").harness_models
    rows, right = [], 0
    for case in families.draw(SEED):
        truth = case.truth.total("macs")
        found = [
            counter(*builders.build(case.name, dict(case.sizes), case.seed)) / truth
            for counter in (_thop, _torchs, _reference)
        ]
        if all(abs(share - 1) <= 0.01 for share in found):
            right += 1
        else:
            rows.append((case.family.title, *map(_percent, found)))
    others = Text("{right} other families, each", right=right)
    return Table(
        header=(
            Text("family"),
            plain("thop"),
            plain("FlopCounterMode"),
            Text("reference `profiler.py`"),
        ),
        rows=[*rows, (others, *[_percent(1.0)] * 3)],
        caption=Text(
            "Measured: MACs found, as a share of those that the formulas give (100% is right "
            "within 1%)."
        ),
    )


def _thop(model: Any, inputs: tuple[Any, ...]) -> float:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import thop

        return float(thop.profile(model, inputs=inputs, verbose=False)[0])


def _torchs(model: Any, inputs: tuple[Any, ...]) -> float:
    """FlopCounterMode counts two operations for a MAC."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*inputs)
    return float(counter.get_total_flops()) / 2


def _reference(model: Any, inputs: tuple[Any, ...]) -> float:
    return float(timed.reference()[2].profile_model(model, inputs)["macs"])


# Cells --------------------------------------------------------------------------------------


def _percent(share: float) -> Text:
    return plain(f"{100 * share:.1f}%")


def _exponent(value: float) -> str:
    """1.9e-5"""
    mantissa, power = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(power)}"


def _three(value: float) -> Text:
    return Text("{n:.0f}", n=value) if value >= 100 else Text("{n:.3g}", n=value)


def _duration(seconds: float) -> Text:
    if seconds >= 60:
        return Text("{minutes} min", minutes=_three(seconds / 60))
    return Text.in_languages({lang: duration(seconds, lang) for lang in languages()})


def _bytes(size: float) -> Text:
    """In powers of 1,024."""
    units = [Text("{n} B"), Text("{n} KB"), Text("{n} MB"), Text("{n} GB"), Text("{n} TB")]
    power = next((n for n in range(4) if size < 1024 ** (n + 1)), 4)
    return units[power].filled(n=_three(size / 1024**power))


def _short(number: float) -> Text:
    """In thousands, millions ..."""
    units = [Text("{n}"), Text("{n} k"), Text("{n} M"), Text("{n} G"), Text("{n} T")]
    power = next((n for n in range(4) if number < 1000 ** (n + 1)), 4)
    return units[power].filled(n=_three(number / 1000**power))


FIGURES: dict[str, Callable[[], Table]] = {
    "models": models,
    "links": links,
    "zoo": zoo,
    "kws": kws,
    "methods": methods,
    "layers": layers,
    "counters": counters,
    **timed.TABLES,
}
COMPUTED = tuple(name for name in FIGURES if name not in timed.TABLES)
"""Those that come out the same each time."""


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="fill in both handouts")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    options = parser.parse_args(None if arguments is None else list(arguments))
    torch.set_num_threads(1)
    for name in options.only:
        publish(LESSON, name, FIGURES[name](), write=options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
