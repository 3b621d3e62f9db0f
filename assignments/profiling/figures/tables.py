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
from grader.handout.figures import Table, count, plain, project, publish
from grader.lesson import course, loading
from grader.measure.hardware import platforms
from grader.measure.hardware.platforms import DType, Platform
from grader.measure.hardware.profiled import Profiled, open_model
from grader.measure.hardware.roofline import Prediction, predict
from grader.text import Text

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
    "microcontroller": Text(en="microcontroller", ru="микроконтроллер"),
    "single_board": Text(en="single board", ru="одноплатный компьютер"),
    "laptop": Text(en="laptop", ru="ноутбук"),
    "server": Text(en="server", ru="сервер"),
    "fpga": Text(en="programmable logic", ru="ПЛИС"),
}
PRICES = {
    "under 10 USD": Text(en="< $10", ru="< $10"),
    "10 to 50 USD": Text(en="$10–50", ru="$10–50"),
    "50 to 150 USD": Text(en="$50–150", ru="$50–150"),
    "150 to 500 USD": Text(en="$150–500", ru="$150–500"),
    "500 to 2,000 USD": Text(en="$500–2,000", ru="$500–2000"),
    "over 10,000 USD": Text(en="> $10,000", ru="> $10 000"),
}


# Published networks and the world -----------------------------------------------------------


def sourced() -> dict[str, Any]:
    """figures/sourced.toml: what others have published."""
    return tomllib.loads(SOURCED.read_text(encoding="utf-8"))


def models() -> Table:
    """Published networks, and the least of the catalogue's platforms that holds their weights."""
    rows = [
        (
            plain(one["name"]),
            plain(str(one["year"])),
            _short(one["parameters"]),
            _bytes(4 * one["parameters"]),
            _holder(4 * one["parameters"]),
            _holder(one["parameters"]),
        )
        for one in sourced()["models"]
    ]
    return Table(
        header=(
            Text(en="network", ru="сеть"),
            Text(en="year", ru="год"),
            Text(en="parameters", ru="параметров"),
            Text(en="in float32", ru="во float32"),
            Text(en="least platform, float32", ru="наименьшая платформа, float32"),
            Text(en="int8", ru="int8"),
        ),
        rows=rows,
        caption=Text(
            en="Published sizes (sources in `figures/sourced.toml`); the platform is the first of "
            "the catalogue whose flash, or else RAM, holds the weights alone.",
            ru="Опубликованные размеры (источники в `figures/sourced.toml`); платформа — первая в "
            "каталоге, чья флеш-память, а без неё ОЗУ, вмещает одни только веса.",
        ),
    )


def _holder(size: int) -> Text:
    for one in _platforms():
        memory = one.memory.storage or one.memory.ram
        if size <= memory.value:
            return plain(f"`{one.name}`")
    return Text(en="none", ru="никакая")


def links() -> Table:
    """How long a second of sound, a picture and an answer take on their way."""
    rows = [
        (
            Text(**one["name"]),
            *(
                _duration(8 * size / one["bits_per_second"])
                for size in (SOUND_BYTES, FRAME_BYTES, 1)
            ),
        )
        for one in sourced()["links"]
    ]
    return Table(
        header=(
            Text(en="link", ru="канал"),
            Text(en="1 s of sound", ru="1 с звука"),
            Text(en="one picture", ru="один кадр"),
            Text(en="the answer, 1 B", ru="ответ, 1 байт"),
        ),
        rows=rows,
        caption=Text(
            en=f"Computed: {SOUND_BYTES:,} B of sound at 16 kHz, {FRAME_BYTES:,} B of a picture of "
            "640 × 480, over the nominal bit rate; protocols take more.",
            ru=f"Посчитано: {count(SOUND_BYTES).ru} байт звука при 16 кГц, "
            f"{count(FRAME_BYTES).ru} байт кадра 640 × 480, на номинальной скорости; протоколы "
            "берут ещё.",
        ),
    )


# The catalogue ------------------------------------------------------------------------------


def zoo() -> Table:
    """The catalogue of platforms."""
    return Table(
        header=(
            Text(en="platform", ru="платформа"),
            Text(en="kind", ru="вид"),
            Text(en="weights in", ru="веса лежат в"),
            Text(en="RAM", ru="ОЗУ"),
            Text(en="B/s", ru="байт/с"),
            Text(en="int8 MAC/s", ru="MAC/с, int8"),
            Text(en="ridge, MAC/B", ru="излом, MAC/байт"),
            Text(en="W", ru="Вт"),
            Text(en="price", ru="цена"),
        ),
        rows=[_animal(one) for one in _platforms()],
        caption=Text(
            en="From `grader/measure/hardware/catalogue.toml`, where each figure has its source.",
            ru="Из `grader/measure/hardware/catalogue.toml`: там у каждого числа указан источник.",
        ),
    )


def _animal(one: Platform) -> tuple[Text, ...]:
    flash = one.memory.storage
    peak = one.peak["int8"].value
    ridge = peak / one.bandwidth.value
    return (
        plain(f"`{one.name}`"),
        KINDS[one.kind],
        _bytes(flash.value) if flash else Text(en="RAM", ru="ОЗУ"),
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
                Text(en="yes", ru="да") if small.fit.fits else Text(en="no", ru="нет"),
                _duration(whole.seconds),
                _duration(small.seconds),
                plain(f"{whole.seconds / small.seconds:.1f}"),
                LIMITS[limit],
                plain(_three(1e3 * small.seconds * power.value) if power else "–"),
            )
        )
    return Table(
        header=(
            Text(en="platform", ru="платформа"),
            Text(en="int8 fits", ru="int8 помещается"),
            plain("float32"),
            plain("int8"),
            Text(en="times faster", ru="во сколько раз быстрее"),
            Text(en="int8 waits for", ru="предел в int8"),
            Text(en="mJ an answer", ru="мДж на ответ"),
        ),
        rows=rows,
        caption=Text(
            en="Predicted with the roofline of the catalogue, at best; energy is that time at the "
            "catalogue's power.",
            ru="Предсказано по «крыше» платформ каталога, это нижняя граница; энергия — это время "
            "при мощности из каталога.",
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
            Text(en="layer", ru="слой"),
            Text(en="of the bytes", ru="доля байтов"),
            Text(en="of the MACs", ru="доля MAC"),
            *(Text(en=f"of the time, `{name}`", ru=f"доля времени, `{name}`") for name in names),
        ),
        rows=rows,
        caption=Text(
            en="The keyword spotter in float32: counted in its file, predicted for three "
            "platforms.",
            ru="Сеть поиска слова во float32: посчитано по файлу и предсказано для трёх платформ.",
        ),
    )


def _groups() -> list[tuple[Text, Callable[[str], bool]]]:
    known = ("/conv/Conv", "/gru/GRU", "/gru/GRU_1")

    def attention(name: str) -> bool:
        return name.startswith("/energy/")

    return [
        (Text(en="convolution", ru="свёртка"), lambda name: name == known[0]),
        (Text(en="first GRU", ru="первый GRU"), lambda name: name == known[1]),
        (Text(en="second GRU", ru="второй GRU"), lambda name: name == known[2]),
        (Text(en="attention", ru="внимание"), attention),
        (
            Text(en="all other operators", ru="все прочие операторы"),
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
            Text(en="class", ru="класс"),
            Text(en="example", ru="пример"),
            Text(en="fewer bytes", ru="меньше байтов"),
            Text(en="less cost", ru="меньше затрат"),
            Text(en="quality", ru="качество"),
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
            en="Factors from the records of the distillation, quantization, Arduino and streaming "
            "lessons. Cost is MACs, for the transformer and on the board milliseconds, predicted "
            "for the hardware. Quality is AU-FA-FR (less is better) or the share of right answers.",
            ru="Во сколько раз, по записям занятий о дистилляции, о квантизации, об Arduino и о "
            "стриминге. Затраты — это MAC, у трансформера и на плате миллисекунды, для железа "
            "предсказание. Качество — AU-FA-FR (меньше — лучше) или доля верных ответов.",
        ),
    )


def _distilled() -> list[tuple[Text, ...]]:
    return [
        _pair(
            Text(en="distillation", ru="дистилляция"),
            Text(en="the same small network with a teacher", ru="та же малая сеть с учителем"),
            ("small varied", "float32"),
            ("small distilled", "float32"),
        ),
        _pair(
            Text(en="quantization", ru="квантование"),
            Text(en="its weights in int8", ru="её веса в int8"),
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
        Text(en="quantization", ru="квантование"),
        Text(en="a transformer's products in int8", ru="произведения трансформера в int8"),
        _ratio(float(whole["bytes"]), float(ptq["bytes"])),
        plain(f"{float(ptq['speedup']):.1f}"),
        plain(" → ".join(f"{100 * float(one['accuracy']):.1f}%" for one in (whole, ptq))),
    )


def _architecture() -> tuple[Text, ...]:
    return _pair(
        Text(en="architecture", ru="архитектура"),
        Text(en="separable convolutions for a small CRNN", ru="разделимые свёртки вместо CRNN"),
        ("naive varied", "float32"),
        ("small varied", "float32"),
    )


def _combined() -> tuple[Text, ...]:
    return _pair(
        Text(en="combined", ru="всё вместе"),
        Text(en="architecture, teacher, int8", ru="архитектура, учитель, int8"),
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
        Text(en="pruning", ru="прунинг"),
        Text(en="half of all units", ru="половина нейронов"),
        _ratio(_cell(table, before, 2), _cell(table, after, 2)),
        _ratio(_cell(table, before, 4), _cell(table, after, 4)),
        plain(f"{first} → {second}"),
    )


def _programs() -> list[tuple[Text, ...]]:
    runtimes, costs = _table("pruning_arduino", "runtimes"), _table("streaming_kws", "costs")
    before, after = "rows, every weight", "columns, no zeros"
    whole, stream = "second recomputed every 80 ms", "streamed"
    kind = Text(en="inference", ru="оптимизация инференса")
    same = Text(en="the same", ru="то же")
    return [
        (
            kind,
            Text(en="a program that skips zeros", ru="программа, пропускающая нули"),
            _ratio(_cell(runtimes, before, 1), _cell(runtimes, after, 1)),
            _ratio(_cell(runtimes, before, 3), _cell(runtimes, after, 3)),
            same,
        ),
        (
            kind,
            Text(en="a stream that keeps its state", ru="поток, хранящий состояние"),
            _ratio(_cell(costs, whole, 3), _cell(costs, stream, 3)),
            _ratio(_cell(costs, whole, 1), _cell(costs, stream, 1)),
            same,
        ),
    ]


def _hardware() -> tuple[Text, ...]:
    slow, fast = (_kws(platforms.load(name), "int8") for name in ("cortex-m4", "cortex-m7"))
    return (
        Text(en="hardware", ru="аппаратное ускорение"),
        Text(en="Cortex-M7 for Cortex-M4", ru="Cortex-M7 вместо Cortex-M4"),
        plain("1.0"),
        _ratio(slow.seconds, fast.seconds),
        Text(en="the same", ru="то же"),
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
    others = Text(en=f"{right} other families, each", ru=f"другие семейства, их {right}, каждое")
    return Table(
        header=(
            Text(en="family", ru="семейство"),
            plain("thop"),
            plain("FlopCounterMode"),
            Text(en="reference `profiler.py`", ru="эталонный `profiler.py`"),
        ),
        rows=[*rows, (others, *[_percent(1.0)] * 3)],
        caption=Text(
            en="Measured: MACs found, as a share of those that the formulas give (100% is right "
            "within 1%).",
            ru="Измерено: найденные MAC в долях от того, что дают формулы (100% — с точностью до "
            "1%).",
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


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> Text:
    if seconds >= 60:
        minutes = _three(seconds / 60)
        return Text(en=f"{minutes} min", ru=f"{minutes} мин")
    return Text(en=duration(seconds, "en"), ru=duration(seconds, "ru"))


def _bytes(size: float) -> Text:
    """In powers of 1,024."""
    en, ru = ("B", "KB", "MB", "GB", "TB"), ("Б", "КБ", "МБ", "ГБ", "ТБ")
    power = next((n for n in range(4) if size < 1024 ** (n + 1)), 4)
    number = _three(size / 1024**power)
    return Text(en=f"{number} {en[power]}", ru=f"{number} {ru[power]}")


def _short(number: float) -> Text:
    """In thousands, millions ..."""
    en, ru = ("", " k", " M", " G", " T"), ("", " тыс.", " млн", " млрд", " трлн")
    power = next((n for n in range(4) if number < 1000 ** (n + 1)), 4)
    shown = _three(number / 1000**power)
    return Text(en=f"{shown}{en[power]}", ru=f"{shown}{ru[power]}")


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
