"""The table of the four models: size, latency, quality, parameters, compression, speed-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.lesson.grades import Axis, Figure, Measurement, Series
from grader.text import Text

from .claims import COLUMNS, Claims
from .submitted import NAMES, TITLES

BASELINE = "baseline"
OWN = "own_"
"""Prefix of ratios to the student's own teacher; ratios without it are to the course's."""
COURSE = Text(en="course's teacher", ru="учитель курса")
BAG = "bag"
NGRAMS = Text(en="bag of n-grams", ru="мешок n-грамм")
_NOTHING = "—"
_ABOUT_BAG = Text(
    en=" The bag of n-grams of letters is the course's, for comparison: it knows which letters "
    "stand together and hardly anything of the order of words.",
    ru=" Мешок буквенных n-грамм — модель курса, для сравнения: она знает, какие буквы стоят "
    "рядом, и почти ничего — о порядке слов.",
)


def figure(measured: Mapping[str, Measurement], bag: Mapping[str, Measurement]) -> Figure:
    """A row for each model and one for the course's teacher; every estimate with its interval.

    `bag` has the measurements of a bag of n-grams, which is not timed; it may be empty.
    """
    rows = [BASELINE, *NAMES, *([BAG] if bag else [])]
    measured = {**measured, **{f"{BAG}.{name}": one for name, one in bag.items()}}
    return Figure(
        name="models",
        title=Text(en="The four models", ru="Четыре модели"),
        kind="table",
        x=Axis(Text(en="measurement", ru="измерение")),
        y=Axis(Text(en="model", ru="модель")),
        series=[_column(title, cells) for title, cells in _columns(measured, rows)],
        caption=Text(
            en="Size is that of the weights as stored and of the tokenizer's file. Times were "
            "taken in turn in one process on one core; in brackets 95% intervals. Compression and "
            "speed-up are over the student's own teacher; those that score are over the course's."
            + (_ABOUT_BAG.en if bag else ""),
            ru="Размер — веса, как они хранятся, вместе с файлом токенизатора. Время измерено по "
            "очереди в одном процессе на одном ядре; в скобках 95%-е интервалы. Сжатие и ускорение "
            "даны относительно собственного учителя студента; в балл идут отношения к учителю "
            "курса." + (_ABOUT_BAG.ru if bag else ""),
        ),
        rows=[COURSE, *(TITLES[name] for name in NAMES), *([NGRAMS] if bag else [])],
    )


def claimed(claims: Claims) -> Figure:
    """Claims of table.csv beside the measured values; ✗ where they do not agree."""
    return Figure(
        name="claimed",
        title=Text(en="Claimed and measured", ru="Заявлено и измерено"),
        kind="table",
        x=Axis(Text(en="claim", ru="заявлено")),
        y=Axis(Text(en="model", ru="модель")),
        series=[
            _column(
                _CLAIMED[column],
                [_beside(claims, model, column) for model in NAMES],
            )
            for column in COLUMNS
        ],
        caption=Text(
            en="Claimed → measured here. The student measured on the public posts and on another "
            "machine: quality may lie 3 points outside the interval measured here (moved by what "
            "the course's teacher gains on public posts), the speed-up may differ by 2×, and what "
            "is counted by 2%; milliseconds of another machine are not judged.",
            ru="Заявлено → измерено здесь. Студент измерял на открытых постах и на другой машине: "
            "качество может выходить на 3 пункта за измеренный здесь интервал (со сдвигом на то, "
            "насколько открытые посты легче для учителя курса), ускорение может отличаться в 2 "
            "раза, а то, что подсчитывается, — на 2%; миллисекунды другой машины не сверяются.",
        ),
        rows=[TITLES[name] for name in NAMES],
    )


_CLAIMED = {
    "bytes": Text(en="size, bytes", ru="размер, байт"),
    "latency_ms_b1": Text(en="1 post, ms", ru="1 пост, мс"),
    "latency_ms_b32": Text(en="32 posts, ms", ru="32 поста, мс"),
    "accuracy": Text(en="accuracy", ru="accuracy"),
    "f1_macro": Text(en="macro-F1", ru="макро-F1"),
    "f1_weighted": Text(en="weighted F1", ru="взвешенная F1"),
    "params": Text(en="parameters", ru="параметров"),
    "compression": Text(en="compression", ru="сжатие"),
    "speedup": Text(en="speed-up", ru="ускорение"),
}


def _columns(
    measured: Mapping[str, Measurement], rows: Sequence[str]
) -> list[tuple[Text, list[str]]]:
    def cells(name: str, pattern: str, scale: float = 1.0) -> list[str]:
        return [_cell(measured.get(f"{row}.{name}"), pattern, scale) for row in rows]

    return [
        (Text(en="size, kB", ru="размер, КБ"), cells("bytes", "{:,.1f}", 1e-3)),
        (Text(en="1 post, ms", ru="1 пост, мс"), cells("latency_ms_b1", "{:.3g}")),
        (Text(en="32 posts, ms", ru="32 поста, мс"), cells("latency_ms_b32", "{:.3g}")),
        (Text(en="accuracy, %", ru="accuracy, %"), cells("accuracy", "{:.1f}", 100)),
        (Text(en="macro-F1, %", ru="макро-F1, %"), cells("f1_macro", "{:.1f}", 100)),
        (Text(en="weighted F1, %", ru="взвешенная F1, %"), cells("f1_weighted", "{:.1f}", 100)),
        (Text(en="parameters", ru="параметров"), cells("params", "{:,.0f}")),
        (Text(en="compression", ru="сжатие"), cells(f"{OWN}compression", "{:.2f}×")),
        (Text(en="speed-up, 1 post", ru="ускорение, 1 пост"), cells(f"{OWN}ratio_b1", "{:.2f}×")),
        (Text(en="speed-up, 32", ru="ускорение, 32"), cells(f"{OWN}ratio_b32", "{:.2f}×")),
    ]


def _cell(measured: Measurement | None, pattern: str, scale: float) -> str:
    if measured is None:
        return _NOTHING

    def show(value: float) -> str:
        return pattern.format(scale * value).replace(",", "\u202f")

    if measured.interval is None:
        return show(measured.value)
    low, high = (show(end).rstrip("×") for end in measured.interval)
    return f"{show(measured.value)} ({low} … {high})"


def _column(title: Text, cells: Sequence[str]) -> Series:
    return Series(label=title, role="submission", x=[], y=[], point_labels=list(cells))


def _beside(claims: Claims, model: str, column: str) -> str:
    claim = claims.of(model, column)
    if claim is None:
        return _NOTHING
    mark = "" if claim.holds else " ✗"
    return f"{_short(claim.claimed)} → {_short(claim.measured)}{mark}"


def _short(value: float) -> str:
    if value == round(value) and abs(value) >= 100:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.3g}"
