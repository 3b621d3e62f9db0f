"""Grades a firmware for an Arduino UNO: next characters, flash, SRAM and cycles, as measured.

The artefact is the project in `firmware/`. It is compiled by the pinned compiler and run on a
simulated ATmega328P. `model.npz` is the integer model that it implements: the board has to
answer as the model does wherever it is asked, and the model's accuracy on all hidden positions is
then the firmware's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from grader import avr, data
from grader.autograder import Findings, Setup
from grader.data.chat import CHARSET, CLASSES, END, Position
from grader.errors import Rejected
from grader.grades import Axis, Check, Figure, Gate, Layer, Measurement, Series
from grader.intake import Submission
from grader.measure import experiments, firmware, integer_network
from grader.measure.firmware import Conversation, Questions, line_of
from grader.measure.integer_network import IntegerNetwork, shown
from grader.measure.proportions import NORMAL_95, clustered, wilson
from grader.text import EMPTY, Text, ru_number

MODEL = "model.npz"
REPORTED = (256, 256, 192, 128, 39)
"""Layers of the network that the formula was published for."""
CONFUSIONS = 30
SYMBOLS = 25


@dataclass(frozen=True)
class Exam:
    """The questions, and the plain runtime's figures."""

    data_id: str
    baseline: dict[str, Measurement]
    positions: tuple[Position, ...]
    """All of the part."""
    questions: Questions
    real_replies: tuple[str, ...]
    """To the queries of the questions."""
    threshold: float
    marked_share: float
    min_experiments: int
    hidden: bool


# Once per batch -----------------------------------------------------------------------------


def prepare(setup: Setup) -> Exam:
    """Load the pairs, choose what is asked, and time the plain runtime."""
    settings, gate = setup.spec.settings, setup.spec.gate
    assert gate is not None  # lesson.toml of this lesson has one, with a threshold
    assert gate.threshold is not None
    hidden = setup.audience == "hidden"
    part: data.Part = "hidden" if hidden else "validation"
    pairs = data.load_pairs(setup.data, part, source=setup.source, seed=setup.seed)
    sizes = settings["hidden" if hidden else "public"]
    rng = np.random.default_rng(int(pairs.fingerprint[:16], 16))
    order = rng.permutation(len(pairs.positions))[: sizes["positions"]]
    talks = rng.permutation(len(pairs.pairs))[: sizes["replies"]]
    return Exam(
        data_id=f"{pairs.name}/{part}:{pairs.fingerprint}",
        baseline=_baseline(setup, pairs.positions),
        positions=pairs.positions,
        questions=Questions(
            positions=tuple(pairs.positions[index] for index in order),
            queries=tuple(pairs.pairs[index].query for index in talks),
            max_cycles=settings["cycles"],
            fewest=settings["fewest_positions"],
            cycles_per_line=settings["cycles_per_line"],
        ),
        real_replies=tuple(pairs.pairs[index].reply for index in talks),
        threshold=gate.threshold,
        marked_share=settings["marked_share"],
        min_experiments=settings["min_experiments"],
        hidden=hidden,
    )


def _baseline(setup: Setup, positions: Sequence[Position]) -> dict[str, Measurement]:
    """The unpruned network with 2-bit weights and the template's plain runtime."""
    folder = setup.folder / "baseline"
    network = integer_network.read((folder / f"{setup.data}.npz").read_bytes())
    image, missing = plain_image(network, folder / "firmware")
    flash = image.flash_bytes + missing
    with avr.Board(image) as board:
        chosen = positions[:: max(1, len(positions) // setup.spec.settings["baseline_positions"])]
        cycles = [board.ask(line_of(position)).cycles for position in chosen]
        sram = board.sram_bytes
    mean = float(np.mean(cycles))
    return {
        **_quality(network, positions),
        **_estimated(network),
        "flash_bytes": Measurement(
            flash,
            "B",
            Text(
                en="the plain runtime with all tables of the unpruned network; it does not fit",
                ru="простая программа со всеми таблицами непрореженной сети; не помещается",
            ),
        ),
        "sram_bytes": Measurement(sram, "B", _SRAM),
        "cycles_per_char": Measurement(
            mean,
            "cycles",
            Text(
                en="the plain runtime, timed with the tables of all layers in one place, since "
                "they do not fit side by side; it takes as long for any weights",
                ru="простая программа; таблицы слоёв наложены друг на друга, так как все вместе "
                "они не помещаются, а время от значений весов не зависит",
            ),
        ),
        "ms_per_char": Measurement(avr.milliseconds(mean), "ms", _MILLISECONDS),
    }


def plain_image(network: IntegerNetwork, runtime: Path) -> tuple[avr.Image, int]:
    """The plain runtime with the network's shape, and the bytes of tables that were left out.

    All layers read the largest table, so the numbers it computes mean nothing; its time is that
    of the whole network, because the plain runtime looks at every weight alike.
    """
    packed = [-(-layer.weight.shape[1] // 4) * len(layer.bias) for layer in network.layers]
    sources = {path.name: path.read_bytes() for path in runtime.iterdir()}
    sources["weights.h"] = _shape_header(network, max(packed)).encode()
    return avr.build(sources), sum(packed) - max(packed)


def _shape_header(network: IntegerNetwork, table_bytes: int) -> str:
    tables, rows = [], []
    for index, layer in enumerate(network.layers):
        outputs, inputs = layer.weight.shape
        tables.append(f"static const int16_t biases{index}[{outputs}] PROGMEM = {{1}};")
        tables.append(f"static const uint8_t multipliers{index}[{outputs}] PROGMEM = {{64}};")
        rows.append(f"{{weights, biases{index}, multipliers{index}, {inputs}, {outputs}, 2}},")
    encoding = network.encoding
    return f"""
#ifndef WEIGHTS_H
#define WEIGHTS_H
#include <avr/pgmspace.h>
#include <stdint.h>
#define CHARSET "{CHARSET}"
enum {{ QUERY_BUCKETS = {encoding.query_buckets}, CONTEXT_BUCKETS = {encoding.context_buckets},
       CONTEXT_LENGTH = {encoding.context_length}, LAYERS = {len(rows)},
       LARGEST = {max(network.sizes)} }};
typedef struct {{
    const uint8_t *weights;
    const int16_t *biases;
    const uint8_t *multipliers;
    uint16_t inputs, outputs;
    uint8_t bits;
}} Layer;
#ifdef NETWORK_C
static const uint8_t weights[{table_bytes}] PROGMEM = {{1}};
{chr(10).join(tables)}
static const Layer layers[LAYERS] = {{ {chr(10).join(rows)} }};
#endif
#endif
"""


# Once per submission ------------------------------------------------------------------------


def examine(exam: Exam, submission: Submission) -> Findings:
    """Build and run one firmware. Raises Rejected with a sentence for the student."""
    if not submission.has(MODEL):
        raise Rejected(_NO_MODEL)
    network = integer_network.read(submission.read(MODEL))
    image = _build(submission)
    talk = firmware.converse(image, network, exam.questions)
    measurements = {
        **_against(exam, image, talk),
        **_quality(network, exam.positions),
        **_board(exam, image, talk),
        **_estimated(network),
    }
    recorded = experiments.read(
        submission.read("experiments.csv") if submission.has("experiments.csv") else b"",
        ("next_char_accuracy", "flash_bytes", "cycles_per_char"),
    )
    gate = _gate(exam, measurements["next_char_accuracy"])
    return Findings(
        measurements=measurements,
        gate=gate,
        checks=[
            _check_gate(exam, gate),
            _check_marks(exam, talk),
            _check_experiments(exam, recorded, submission.has("experiments.csv")),
            _check_recorded(recorded, image),
        ],
        layers=_layers(network),
        figures=[
            *(
                _experiment_figure(cost, exam, recorded.experiments, measurements)
                for cost in _COSTS
            ),
            _cycle_figure(exam, network, talk),
            _sparsity_figure(network),
            _memory_figure(image),
            _confusion_figure(exam, network),
        ],
        log=_log(exam, image, talk),
    )


_NO_MODEL = Text(
    en="Expected model.npz beside the folder firmware: the integer model that the firmware "
    "computes; write it with IntegerModel.save of the template.",
    ru="Рядом с папкой firmware ожидался файл model.npz: целочисленная модель, которую вычисляет "
    "прошивка; запишите его методом IntegerModel.save из шаблона.",
)


def _build(submission: Submission) -> avr.Image:
    image = avr.build(submission.root / "firmware")
    if image.flash_bytes > avr.MAX_FLASH_BYTES:
        raise Rejected(
            Text(
                en=f"The firmware takes {image.flash_bytes:,} bytes of flash, an UNO has "
                f"{avr.MAX_FLASH_BYTES:,} beside its bootloader; prune more, use fewer bits, or "
                "store zeros for nothing.",
                ru=f"Прошивка занимает {ru_number(image.flash_bytes)} байт флеш-памяти, а в UNO "
                f"помимо загрузчика их {ru_number(avr.MAX_FLASH_BYTES)}; прореживайте сильнее, "
                "берите меньше бит или не храните нули.",
            )
        )
    if image.static_bytes > avr.SRAM_BYTES:
        raise Rejected(
            Text(
                en=f"Static variables take {image.static_bytes:,} bytes of SRAM, an UNO has "
                f"{avr.SRAM_BYTES:,} with the stack; keep tables in flash with PROGMEM.",
                ru=f"Статические переменные занимают {ru_number(image.static_bytes)} байт SRAM, а "
                f"в UNO вместе со стеком их {ru_number(avr.SRAM_BYTES)}; размещайте таблицы во "
                "флеш-памяти с помощью PROGMEM.",
            )
        )
    return image


# Measurements -------------------------------------------------------------------------------


def _quality(network: IntegerNetwork, positions: Sequence[Position]) -> dict[str, Measurement]:
    """Shares of right next characters, with intervals that respect queries."""
    right = network.classes(positions) == np.array([one.next_char for one in positions])
    queries = [position.query for position in positions]
    first = np.array([not position.context for position in positions])
    everything, opening = (
        clustered(right[chosen], [query for query, one in zip(queries, chosen, strict=True) if one])
        for chosen in (np.ones(len(right), bool), first)
    )
    wholes = _exact(right, positions)
    distinct = len(set(queries))
    return {
        "next_char_accuracy": Measurement(
            everything[0],
            "",
            Text(
                en=f"of {len(right):,} positions in the replies to {distinct:,} queries, by the "
                "integer model, which the board equals; 95% interval for other queries",
                ru=f"из {ru_number(len(right))} позиций в ответах на {ru_number(distinct)} "
                "запросов, по целочисленной модели, с которой плата совпадает; 95%-й интервал для "
                "других запросов",
            ),
            everything[1],
        ),
        "first_char_accuracy": Measurement(
            opening[0],
            "",
            Text(
                en="the same for the first character of a reply",
                ru="то же для первого символа ответа",
            ),
            opening[1],
        ),
        "reply_exact_match": Measurement(
            wholes,
            "",
            Text(
                en="share of pairs whose whole reply is right when every character is",
                ru="доля пар, в которых верен каждый символ ответа",
            ),
        ),
    }


def _exact(right: np.ndarray, positions: Sequence[Position]) -> float:
    """A reply ends with END: what is right up to there is an exact match."""
    whole, pairs, exact = True, 0, 0
    for hit, position in zip(right, positions, strict=True):
        whole = bool(hit) and (whole or not position.context)
        if position.next_char == END:
            pairs, exact = pairs + 1, exact + whole
    return exact / max(pairs, 1)


_SRAM = Text(
    en="static variables and the deepest stack seen",
    ru="статические переменные и наибольшая замеченная глубина стека",
)
_MILLISECONDS = Text(en="cycles at 16 MHz", ru="такты при 16 МГц")


def _board(exam: Exam, image: avr.Image, talk: Conversation) -> dict[str, Measurement]:
    cycles = talk.cycles
    half = NORMAL_95 * float(cycles.std(ddof=1)) / math.sqrt(len(cycles))
    mean = float(cycles.mean())
    marked = float(np.mean([one.reply.inference_cycles for one in talk.characters]))
    right = np.mean([one.reply.text == shown(one.position.next_char) for one in talk.characters])
    return {
        "flash_bytes": Measurement(
            image.flash_bytes,
            "B",
            Text(
                en=f"code and tables of the built image, {image.compiler}",
                ru=f"код и таблицы собранного образа, {image.compiler}",
            ),
        ),
        "sram_bytes": Measurement(talk.sram_bytes, "B", _SRAM),
        "stack_bytes": Measurement(
            talk.stack_bytes, "B", Text(en="the deepest stack seen", ru="наибольшая глубина стека")
        ),
        "cycles_per_char": Measurement(
            mean,
            "cycles",
            Text(
                en=f"mean of {len(cycles)} characters, from taking the first byte of the question "
                "to sending the answer, wherever the markers are",
                ru=f"среднее по {len(cycles)} символам, от приёма первого байта вопроса до "
                "отправки ответа, где бы ни стояли маркеры",
            ),
            (mean - half, mean + half),
        ),
        "ms_per_char": Measurement(
            avr.milliseconds(mean),
            "ms",
            _MILLISECONDS,
            (avr.milliseconds(mean - half), avr.milliseconds(mean + half)),
        ),
        "marked_cycles": Measurement(
            marked,
            "cycles",
            Text(
                en="of these between the firmware's own markers",
                ru="из них между маркерами прошивки",
            ),
        ),
        "board_accuracy": Measurement(
            float(right),
            "",
            Text(
                en=f"next characters that the board itself got right, of {len(cycles)} asked",
                ru="доля символов, верно предсказанных самой платой; спрошено символов: "
                f"{len(cycles)}",
            ),
            wilson(float(right), len(cycles)),
        ),
    }


def _against(exam: Exam, image: avr.Image, talk: Conversation) -> dict[str, Measurement]:
    how = Text(
        en="plain 2-bit runtime on the unpruned network / artefact",
        ru="простая 2-битная программа с непрореженной сетью / артефакт",
    )
    plain = exam.baseline
    return {
        "compression": Measurement(plain["flash_bytes"].value / image.flash_bytes, "×", how),
        "speedup": Measurement(
            plain["cycles_per_char"].value / float(talk.cycles.mean()), "×", how
        ),
    }


def _estimated(network: IntegerNetwork) -> dict[str, Measurement]:
    """What a formula makes of the same layers: how far paper and board are apart."""
    guess = firmware.estimate(network.sizes)
    report = firmware.estimate(REPORTED)
    how = Text(
        en="formula for comparison, not scored: 2 bits a weight and 18 a bias; 62 cycles a weight "
        f"and 10 an output; for 256-256-192-128-39: {report.flash_bytes:,} B, "
        f"{report.cycles:,} cycles, {report.milliseconds:.3f} ms",
        ru="формула для сравнения, не оценивается: 2 бита на вес и 18 на смещение; 62 такта на "
        f"вес и 10 на выход; для 256-256-192-128-39: {ru_number(report.flash_bytes)} байт, "
        f"{ru_number(report.cycles)} тактов, {report.milliseconds:.3f} мс",
    )
    return {
        "estimated_flash_bytes": Measurement(guess.flash_bytes, "B", how),
        "estimated_cycles": Measurement(guess.cycles, "cycles", how),
        "estimated_ms": Measurement(guess.milliseconds, "ms", how),
    }


def _layers(network: IntegerNetwork) -> list[Layer]:
    """Weights as they are in the model; the bytes are those that are not zero, at 2 bits."""
    found = []
    for index, layer in enumerate(network.layers):
        kept = int(np.count_nonzero(layer.weight))
        outputs, inputs = layer.weight.shape
        found.append(
            Layer(
                name=f"layer {index}: {inputs} -> {outputs}",
                op=f"{kept / layer.weight.size:.0%} not zero",
                macs=layer.weight.size,
                bytes=-(-layer.weight.size // 4),
                params=kept + outputs,
                output_shape=(outputs,),
            )
        )
    return found


# The gate and the checks --------------------------------------------------------------------


def _gate(exam: Exam, accuracy: Measurement) -> Gate:
    assert accuracy.interval is not None
    low, high = accuracy.interval
    return Gate(
        metric="next_char_accuracy",
        value=accuracy.value,
        threshold=exam.threshold,
        interval=accuracy.interval,
        passed=accuracy.value >= exam.threshold,
        within_noise=low < exam.threshold < high,
        explanation=Text(
            en="Every position of every reply counts, its end included; the reply so far is the "
            "real one.",
            ru="Считается каждая позиция каждого ответа, включая его конец; начало ответа берётся "
            "настоящее.",
        ),
    )


def _check_gate(exam: Exam, gate: Gate) -> Check:
    low, high = gate.interval
    return Check(
        name="next_char_accuracy_reaches_the_gate",
        title=Text(en="It knows what to say", ru="Модель знает, что ответить"),
        visibility="hidden" if exam.hidden else "public",
        points=0.0,
        max_points=0.0,
        passed=gate.passed,
        message=Text(
            en=f"Expected {gate.threshold:.0%} of the next characters, found {gate.value:.1%} "
            f"(95%: {low:.1%} to {high:.1%}).",
            ru=f"Ожидалось {gate.threshold:.0%} следующих символов, найдено {gate.value:.1%} "
            f"(95%: от {low:.1%} до {high:.1%}).",
        ),
        hint=EMPTY
        if gate.passed
        else Text(
            en="Prune less, train longer after pruning, or distil a larger network.",
            ru="Прореживайте меньше, дольше дообучайте после прунинга или дистиллируйте большую "
            "сеть.",
        ),
    )


def _check_marks(exam: Exam, talk: Conversation) -> Check:
    total = sum(one.reply.cycles for one in talk.characters)
    marked = sum(one.reply.inference_cycles for one in talk.characters)
    once = all(len(one.reply.inferences) == 1 for one in talk.characters)
    passed = once and marked >= exam.marked_share * total
    return Check(
        name="markers_enclose_the_work",
        title=Text(en="The markers enclose the work", ru="Маркеры охватывают работу"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=Text(
            en=f"Expected one pair of markers a character with at least {exam.marked_share:.0%} "
            f"of the cycles in between, found {marked / total:.1%}"
            f"{'' if once else ' and not one pair each'}.",
            ru="Ожидалась одна пара маркеров на символ и между ними не менее "
            f"{exam.marked_share:.0%} тактов, найдено {marked / total:.1%}"
            f"{'' if once else ', и пар не по одной'}.",
        ),
        hint=EMPTY
        if passed
        else Text(
            en="Write 1 to GPIOR0 before the features and 2 after the class is known. All cycles "
            "are scored, wherever the markers are.",
            ru="Записывайте 1 в GPIOR0 перед вычислением признаков и 2, когда класс известен. "
            "Оцениваются все такты, где бы ни стояли маркеры.",
        ),
    )


def _check_experiments(exam: Exam, table: experiments.Table, submitted: bool) -> Check:
    found = len({one.name for one in table.experiments})
    passed = found >= exam.min_experiments
    unread = submitted and table.problems and not passed
    problems = f" ({'; '.join(table.problems[:3])})" if unread else ""
    return Check(
        name="experiments_are_recorded",
        title=Text(en="Experiments are recorded", ru="Эксперименты записаны"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=Text(
            en=f"Expected at least {exam.min_experiments} differently named rows in "
            f"experiments.csv, found {found}{problems}.",
            ru=f"Ожидалось не менее {exam.min_experiments} строк с разными именами в "
            f"experiments.csv, найдено {found}{problems}.",
        ),
        hint=EMPTY
        if passed
        else Text(
            en="Run train.py with other ratios and bits and another --name each time.",
            ru="Запускайте train.py с другими долями и битами и каждый раз с новым --name.",
        ),
    )


def _check_recorded(table: experiments.Table, image: avr.Image) -> Check:
    sizes = [one.values["flash_bytes"] for one in table.experiments]
    near = any(abs(size / image.flash_bytes - 1) <= 0.02 for size in sizes)
    return Check(
        name="the_submitted_firmware_is_recorded",
        title=Text(en="The submitted firmware is recorded", ru="Сданная прошивка записана"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=near,
        message=Text(
            en=f"Expected a row in experiments.csv with {image.flash_bytes:,} bytes of flash, "
            "give or take 2%.",
            ru="Ожидалась строка experiments.csv с размером прошивки "
            f"{ru_number(image.flash_bytes)} байт, плюс-минус 2%.",
        ),
        hint=EMPTY
        if near
        else Text(
            en="Run train.py once more with a --name for what you submit.",
            ru="Запустите train.py ещё раз с именем (--name) для сдаваемого варианта.",
        ),
    )


# Figures ------------------------------------------------------------------------------------

_ACCURACY = Axis(Text(en="next character", ru="следующий символ"))


@dataclass(frozen=True)
class _Cost:
    """What accuracy is drawn against."""

    name: str
    title: Text
    axis: Axis
    key: str
    scale: float = 1.0


_COSTS = (
    _Cost(
        "flash",
        Text(en="Accuracy and flash", ru="Точность и флеш-память"),
        Axis(Text(en="flash", ru="флеш-память"), "B", "log"),
        "flash_bytes",
    ),
    _Cost(
        "time",
        Text(en="Accuracy and time", ru="Точность и время"),
        Axis(Text(en="time a character", ru="время на символ"), "ms", "log"),
        "cycles_per_char",
        1000 / avr.CLOCK_HZ,
    ),
)


def _experiment_figure(
    cost: _Cost,
    exam: Exam,
    recorded: Sequence[experiments.Experiment],
    measurements: dict[str, Measurement],
) -> Figure:
    """Accuracy against a cost, with the front of what was tried."""
    accuracy, plain = measurements["next_char_accuracy"], exam.baseline
    low, high = accuracy.interval or (accuracy.value, accuracy.value)
    ours = (measurements[cost.key].value * cost.scale, accuracy.value)
    unpruned = (plain[cost.key].value * cost.scale, plain["next_char_accuracy"].value)
    tried = [
        (one.values[cost.key] * cost.scale, one.values["next_char_accuracy"], one.name)
        for one in recorded
        if one.values[cost.key] > 0
    ]
    front = _front([(x, y) for x, y, _ in tried])
    best = [one for one in tried if one[:2] in front]
    others = [one for one in tried if one[:2] not in front]
    return Figure(
        name=f"accuracy_against_{cost.name}",
        title=cost.title,
        kind="scatter",
        x=cost.axis,
        y=_ACCURACY,
        series=[
            _points("submission", _SUBMITTED, [ours], [low], [high]),
            _points("baseline", _PLAIN, [unpruned]),
            _points("threshold", _THRESHOLD, [(x, exam.threshold) for x in (1.0, 1e6)]),
            *([_named("reference", _FRONT, best)] if best else []),
            *([_named("experiment", _TRIED, others)] if others else []),
        ],
        caption=Text(
            en="Rows of experiments.csv are the student's own measurements; on the front is what "
            "no other row beats in both.",
            ru="Строки experiments.csv измерены студентом; на границе Парето то, что никакая "
            "другая строка не превосходит сразу по обоим показателям.",
        ),
    )


_SUBMITTED = Text(en="submitted", ru="сдано")
_PLAIN = Text(en="plain runtime, unpruned", ru="простая программа, без прунинга")
_THRESHOLD = Text(en="gate", ru="порог")
_FRONT = Text(en="Pareto front", ru="граница Парето")
_TRIED = Text(en="other experiments", ru="другие эксперименты")


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that no other point matches at lower cost, with higher accuracy."""
    front: list[tuple[float, float]] = []
    for cost, reached in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or reached > front[-1][1]:
            front.append((cost, reached))
    return front


def _points(
    role: str,
    label: Text,
    points: Sequence[tuple[float, float]],
    low: Sequence[float] = (),
    high: Sequence[float] = (),
) -> Series:
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[x for x, _ in points],
        y=[y for _, y in points],
        y_low=list(low),
        y_high=list(high),
    )


def _named(role: str, label: Text, points: Sequence[tuple[float, float, str]]) -> Series:
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[x for x, *_ in points],
        y=[y for _, y, _ in points],
        point_labels=[name for *_, name in points],
    )


def _cycle_figure(exam: Exam, network: IntegerNetwork, talk: Conversation) -> Figure:
    """Cycles between the layers' markers; layer -1 is what comes before the first."""
    spent: Counter[int] = Counter()
    for one in talk.characters:
        for inference in one.reply.inferences:
            for layer, cycles in inference.layer_cycles().items():
                spent[layer] += cycles
    layers = sorted(spent)
    count = len(talk.characters)
    labels = ["features" if layer < 0 else f"layer {layer}" for layer in layers]
    dense = [firmware.estimate(pair).cycles for pair in pairwise(network.sizes)]
    return Figure(
        name="cycles_by_layer",
        title=Text(en="Cycles by layer", ru="Такты по слоям"),
        kind="scatter",
        x=Axis(Text(en="layer (-1: features)", ru="слой (-1: признаки)")),
        y=Axis(Text(en="cycles a character", ru="тактов на символ"), "", "log"),
        series=[
            Series(
                label=Text(en="measured", ru="измерено"),
                role="submission",
                x=[float(layer) for layer in layers],
                y=[spent[layer] / count for layer in layers],
                point_labels=labels,
            ),
            Series(
                label=Text(en="estimated by formula", ru="оценка по формуле"),
                role="reference",
                x=[float(index) for index in range(len(dense))],
                y=[float(cycles) for cycles in dense],
            ),
        ],
        caption=Text(
            en="Measured between the firmware's own markers. The formula, 62 cycles a weight and "
            "10 an output, knows nothing of zeros or of the program.",
            ru="Измерено между маркерами самой прошивки. Формула — 62 такта на вес и 10 на выход — "
            "ничего не знает ни о нулях, ни о программе.",
        ),
    )


def _sparsity_figure(network: IntegerNetwork) -> Figure:
    """What was pruned where: units that are gone, weights that are zero."""
    inputs = range(len(network.layers))
    unpruned = (256, 256, 192, 128)
    kept = [
        100 * size / unpruned[index]
        for index, size in enumerate(network.sizes[:-1])
        if index < len(unpruned)
    ]
    weights = [
        100 * float(np.count_nonzero(layer.weight)) / layer.weight.size for layer in network.layers
    ]
    return Figure(
        name="what_was_pruned",
        title=Text(en="What is left of each layer", ru="Что осталось от каждого слоя"),
        kind="scatter",
        x=Axis(Text(en="layer", ru="слой")),
        y=Axis(Text(en="left", ru="осталось"), "%"),
        series=[
            Series(
                label=Text(en="weights that are not zero", ru="ненулевые веса"),
                role="submission",
                x=[float(index) for index in inputs],
                y=weights,
                point_labels=[
                    f"{one.weight.shape[1]} -> {len(one.bias)}" for one in network.layers
                ],
            ),
            Series(
                label=Text(en="inputs, of 256-256-192-128", ru="входы, от сети 256-256-192-128"),
                role="reference",
                x=[float(index) for index in range(len(kept))],
                y=kept,
            ),
        ],
    )


def _memory_figure(image: avr.Image) -> Figure:
    """The memory map: every symbol at its address, with its size."""
    series = []
    for memory, role, label in (
        ("flash", "submission", Text(en="flash", ru="флеш-память")),
        ("sram", "reference", Text(en="SRAM", ru="SRAM")),
    ):
        symbols = image.largest(memory, SYMBOLS)  # type: ignore[arg-type]
        if symbols:
            series.append(
                Series(
                    label=label,
                    role=role,  # type: ignore[arg-type]
                    x=[float(symbol.address) for symbol in symbols],
                    y=[float(symbol.size) for symbol in symbols],
                    point_labels=[f"{symbol.name} ({symbol.kind})" for symbol in symbols],
                )
            )
    return Figure(
        name="memory_map",
        title=Text(en="Memory map", ru="Карта памяти"),
        kind="scatter",
        x=Axis(Text(en="address", ru="адрес")),
        y=Axis(Text(en="size", ru="размер"), "B", "log"),
        series=series,
        caption=Text(
            en=f"The {SYMBOLS} largest functions and tables of each memory; SRAM begins at 256.",
            ru=f"По {SYMBOLS} крупнейших функций и таблиц каждой памяти; SRAM начинается с 256.",
        ),
    )


def _confusion_figure(exam: Exam, network: IntegerNetwork) -> Figure:
    """The characters most often taken for others."""
    answers = network.classes(exam.positions)
    wanted = np.array([position.next_char for position in exam.positions])
    matrix = np.zeros((CLASSES, CLASSES), int)
    np.add.at(matrix, (wanted, answers), 1)
    right = np.diag(matrix).copy()
    np.fill_diagonal(matrix, 0)
    worst = np.argsort(-matrix, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [(int(i) // CLASSES, int(i) % CLASSES) for i in worst if matrix.flat[i]]
    return Figure(
        name="confusion",
        title=Text(en="Characters taken for others", ru="Какие символы путаются"),
        kind="scatter",
        x=Axis(Text(en="right character, number in the charset", ru="верный символ, номер")),
        y=Axis(Text(en="predicted character, number", ru="предсказанный символ, номер")),
        series=[
            Series(
                label=Text(en="confused", ru="спутано"),
                role="submission",
                x=[float(true) for true, _ in pairs],
                y=[float(said) for _, said in pairs],
                point_labels=[
                    f"{_symbol(true)} -> {_symbol(said)}: {matrix[true, said]} of "
                    f"{matrix[true].sum() + right[true]}"
                    for true, said in pairs
                ],
            )
        ],
        caption=Text(
            en=f"The {CONFUSIONS} commonest confusions, with how often the right character "
            f"occurred. 'end' is class {END}.",
            ru=f"{CONFUSIONS} самых частых ошибок и сколько раз встретился верный символ. "
            f"«end» — класс {END}, конец ответа.",
        ),
    )


def _symbol(answer: int) -> str:
    return "end" if answer == END else repr(CHARSET[answer])


def _log(exam: Exam, image: avr.Image, talk: Conversation) -> str:
    """A conversation with the board beside the real replies, and what the compiler warned of."""
    shown_replies = list(zip(exam.questions.queries, talk.replies, exam.real_replies, strict=False))
    width = max(len(query) for query in exam.questions.queries)
    lines = [f"{'query':{width}}  {'board':24}  real reply"]
    lines += [f"{query:{width}}  {board:24}  {real}" for query, board, real in shown_replies]
    if image.warnings:
        lines += ["", "compiler:", image.warnings]
    return "\n".join(lines)
