"""Read `experiments.csv`, the table in which a student records the settings tried."""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grader.lesson.grades import Axis, Check, Figure, Measurement, Series
from grader.measure.costs.graph import GraphReport
from grader.measure.latency import median, speed_ratio
from grader.text import EMPTY, Text, ru_number
from grader.text.untrusted import name as shown_name
from grader.text.untrusted import quoted

MAX_BYTES = 2**20
MAX_ROWS = 2_000
MAX_COLUMNS = 50
MAX_NAME = 80
_SPACES = str.maketrans("", "", " \u00a0\u202f'")
"""Between thousands."""


@dataclass(frozen=True)
class Experiment:
    """One recorded setting. Numbers are the student's own and prove nothing."""

    name: str
    """Visible text on one line, at most `MAX_NAME` characters."""
    values: dict[str, float]


@dataclass(frozen=True)
class Table:
    """What could be read of the file, and what could not."""

    experiments: list[Experiment]
    problems: list[Text]
    """Phrases such as `line 3: macs is "12k"`, each short and visible."""


def read(raw: bytes, numbers: tuple[str, ...]) -> Table:
    """Rows of a CSV file that has a column `name` and every column in `numbers`.

    Accepts what spreadsheets write: UTF-8, UTF-16 or Windows-1251, a byte order mark, any line
    ends, `;` or tab as separator, decimal commas. A row with a missing or non-finite number is
    left out and named in `problems`.
    """
    if len(raw) > MAX_BYTES:
        return _refused(
            f"the file has {len(raw):,} bytes, at most {MAX_BYTES:,} are read",
            f"в файле {ru_number(len(raw))} байт, читается не больше {ru_number(MAX_BYTES)}",
        )
    text = _decoded(raw)
    if text is None:
        return _refused(
            "the file is not a text; save it as CSV in UTF-8",
            "файл не текстовый; сохраните его как CSV в кодировке UTF-8",
        )
    try:
        return _table(text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"), numbers)
    except csv.Error as error:
        return _refused(f"it is not CSV ({quoted(error)})", f"это не CSV ({quoted(error)})")


def _decoded(raw: bytes) -> str | None:
    """The text, None for bytes that are none."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encodings = ["utf-32"]
    elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in raw[:4]:
        # Without a mark: a table begins with a letter, whose other byte is 0.
        encodings = ["utf-16-be" if raw[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp1251"]
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def _table(text: str, numbers: tuple[str, ...]) -> Table:
    if text[:4].lower() == "sep=":  # a line that Excel adds
        text = text.partition("\n")[2]
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    columns = [column.strip().lower() for column in rows.fieldnames or []]
    if len(columns) > MAX_COLUMNS:
        return _refused(
            f"{len(columns):,} columns, at most {MAX_COLUMNS} are read",
            f"столбцов {ru_number(len(columns))}, читается не больше {MAX_COLUMNS}",
        )
    missing = [column for column in ("name", *numbers) if column not in columns]
    if missing:
        return Table([], [_missing_column(column) for column in missing])
    rows.fieldnames = columns
    return _rows(rows, numbers)


def _rows(rows: csv.DictReader[str], numbers: tuple[str, ...]) -> Table:
    table = Table([], [])
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            table.problems.append(
                Text(
                    en=f"only the first {MAX_ROWS:,} rows are read",
                    ru=f"читаются только первые {ru_number(MAX_ROWS)} строк",
                )
            )
            break
        values = {column: _number(row.get(column)) for column in numbers}
        known = {column: value for column, value in values.items() if value is not None}
        if len(known) < len(values):
            bad = next(column for column in numbers if values[column] is None)
            table.problems.append(_bad_cell(rows.line_num, bad, row.get(bad) or ""))
        else:
            name = shown_name((row["name"] or "").strip(), MAX_NAME)
            table.experiments.append(Experiment(name, known))
    return table


def _number(cell: str | None) -> float | None:
    try:
        number = float((cell or "").translate(_SPACES).replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _refused(en: str, ru: str) -> Table:
    return Table([], [Text(en=en, ru=ru)])


def _missing_column(column: str) -> Text:
    return Text(en=f"column {column} is missing", ru=f"нет столбца {column}")


def _bad_cell(line: int, column: str, cell: str) -> Text:
    return Text(
        en=f'line {line}: {column} is "{shown_name(cell)}", not a number',
        ru=f"строка {line}: в столбце {column} не число, а «{shown_name(cell)}»",
    )


# What a lesson says and draws about the experiments that a student recorded.


QUALITY = "au_fa_fr"
COSTS = {
    "macs": Text(en="MACs", ru="MAC-операции"),
    "bytes": Text(en="bytes of weights", ru="байт весов"),
}
COLUMNS = (QUALITY, *COSTS)
"""The columns of numbers that experiments.csv must have."""
MAX_POINTS = 100


def check_recorded_enough(table: Table, least: int, *, present: bool) -> Check:
    """Whether `least` different settings are recorded; `present` says whether the file is."""
    count = len({experiment.name for experiment in table.experiments})
    columns = ", ".join(COLUMNS)
    found = Text(en=f"found {count} with {columns}", ru=f"найдено {count} с {columns}")
    if not present:
        found = Text(en="experiments.csv is missing", ru="файла experiments.csv нет")
    elif table.problems:
        problem = table.problems[0]
        found = Text(en=f"{found.en} ({problem.en})", ru=f"{found.ru} ({problem.ru})")
    return _check(
        "experiments_recorded",
        Text(en="Settings tried are recorded", ru="Опробованные варианты записаны"),
        count >= least,
        Text(
            en=f"Expected at least {least} settings in experiments.csv, {found.en}.",
            ru=f"Ожидалось не менее {least} вариантов в experiments.csv, {found.ru}.",
        ),
        Text(
            en=f"Add a line for every model you train: name,{','.join(COLUMNS)}; the report draws "
            "them as quality against MACs and against bytes.",
            ru=f"Добавляйте строку на каждую обученную модель: name,{','.join(COLUMNS)}; отчёт "
            "покажет качество в зависимости от MAC-операций и от байт.",
        ),
    )


def check_submitted_is_recorded(table: Table, macs: int, stored: int) -> Check:
    """Whether a line has the `macs` and the `stored` bytes that were counted here."""
    passed = any(
        (experiment.values["macs"], experiment.values["bytes"]) == (macs, stored)
        for experiment in table.experiments
    )
    return _check(
        "submitted_model_is_recorded",
        Text(
            en="The submitted model is one of the recorded settings",
            ru="Сданная модель есть среди записанных вариантов",
        ),
        passed,
        Text(
            en=f"Expected a line with macs {macs} and bytes {stored}, "
            f"{'found it' if passed else 'found none'}.",
            ru=f"Ожидалась строка с macs {macs} и bytes {stored}, "
            f"{'она есть' if passed else 'её нет'}.",
        ),
        Text(
            en="Copy macs and bytes from `grader check` into experiments.csv: figures that a "
            "counter measured, not estimates.",
            ru="Перенесите macs и bytes из `grader check` в experiments.csv: это измеренные "
            "значения, а не оценки.",
        ),
    )


def figures(
    table: Table, measured: Mapping[str, Measurement], baseline: Mapping[str, Measurement]
) -> list[Figure]:
    """Quality against each cost: what was recorded, what was measured, and the baseline. Empty
    without a recorded setting that a logarithmic axis can show."""
    shown = [each for each in table.experiments if min(each.values.values()) > 0][:MAX_POINTS]
    return [_figure(cost, shown, measured, baseline) for cost in COSTS] if shown else []


def _figure(
    cost: str,
    shown: list[Experiment],
    measured: Mapping[str, Measurement],
    baseline: Mapping[str, Measurement],
) -> Figure:
    label = COSTS[cost]
    return Figure(
        name=f"experiments_{cost}",
        title=Text(
            en=f"experiments.csv: quality against {label.en}",
            ru=f"experiments.csv: качество и {label.ru}",
        ),
        kind="scatter",
        x=Axis(label, scale="log"),
        y=Axis(Text(en="AU-FA-FR", ru="AU-FA-FR"), scale="log"),
        series=[
            Series(
                Text(en="recorded by the student", ru="записано студентом"),
                "experiment",
                x=[experiment.values[cost] for experiment in shown],
                y=[experiment.values[QUALITY] for experiment in shown],
                point_labels=[experiment.name for experiment in shown],
            ),
            _point(measured, cost, Text(en="measured here", ru="измерено здесь"), "submission"),
            _point(baseline, cost, Text(en="baseline", ru="базовая модель"), "baseline"),
        ],
        caption=Text(
            en="Recorded figures are the student's own, taken on the public clips; only the "
            "measured point was taken on the graded ones.",
            ru="Записанные значения получены студентом на открытых записях; на оцениваемых "
            "записях измерена только отмеченная точка.",
        ),
    )


def _point(
    measured: Mapping[str, Measurement],
    cost: str,
    label: Text,
    role: Literal["submission", "baseline"],
) -> Series:
    quality = measured[QUALITY]
    low, high = quality.interval or (quality.value, quality.value)
    x, y = [measured[cost].value], [quality.value]
    return Series(label, role, x=x, y=y, y_low=[low], y_high=[high])


def _check(name: str, title: Text, passed: bool, message: Text, hint: Text) -> Check:
    """It informs and does not score."""
    return Check(
        name=name,
        title=title,
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=message,
        hint=EMPTY if passed else hint,
    )


# Measurements as grades state them: with a unit, and a sentence on how they were taken.


def costs(report: GraphReport) -> dict[str, Measurement]:
    """`bytes`, `macs`, `params` and `file_bytes` of a counted model."""
    return {
        "bytes": Measurement(
            report.bytes,
            "B",
            Text(
                en="all weights and constants in model.onnx, as stored",
                ru="все веса и константы в model.onnx в том виде, в каком они хранятся",
            ),
        ),
        "macs": Measurement(
            report.macs,
            "MAC",
            Text(
                en=f"from the graph, one clip; {report.elementwise_macs:,} of them elementwise",
                ru="по графу, одна запись; из них поэлементных: "
                f"{ru_number(report.elementwise_macs)}",
            ),
        ),
        "params": Measurement(
            report.params, "", Text(en="stored numbers", ru="количество хранимых чисел")
        ),
        "file_bytes": Measurement(
            report.file_bytes,
            "B",
            Text(
                en="size of model.onnx, graph and names included; shown, not scored",
                ru="размер model.onnx вместе с графом и именами; для сведения, не оценивается",
            ),
        ),
    }


def latency(seconds: np.ndarray, baseline_seconds: np.ndarray) -> dict[str, Measurement]:
    """`latency_ms_b1` and `latency_ratio_b1` from (n,) seconds of single clips, those of the
    artefact and of the baseline taken in turn."""
    ours = median(seconds)
    ratio = speed_ratio(baseline_seconds, seconds)
    how = Text(
        en=f"median time on a core over {len(seconds)} single clips, each sent after "
        "the answer to the last; shown, not scored",
        ru=f"медиана времени на ядре по {len(seconds)} одиночным записям, каждая "
        "отправлена после ответа на предыдущую; для сведения, не оценивается",
    )
    return {
        "latency_ms_b1": Measurement(1e3 * ours.value, "ms", how, ours.scaled(1e3)),
        "latency_ratio_b1": Measurement(
            ratio.value,
            "×",
            Text(
                en="baseline's time over the artefact's, median of interleaved pairs; shown, "
                "not scored",
                ru="время базовой модели к времени артефакта, медиана по чередующимся парам; "
                "для сведения, не оценивается",
            ),
            ratio.interval,
        ),
    }
