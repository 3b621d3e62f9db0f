"""The table of the four models: size, latency, quality, parameters, compression, speed-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.lesson.grades import Axis, Figure, Measurement, Series
from grader.text import EMPTY, Text, verbatim

from .claims import COLUMNS, Claims
from .submitted import NAMES, TITLES

BASELINE = "baseline"
OWN = "own_"
"""Prefix of ratios to the student's own teacher; ratios without it are to the course's."""
COURSE = Text("course's teacher")
BAG = "bag"
NGRAMS = Text("bag of n-grams")
_NOTHING = "—"
_ABOUT_BAG = Text(
    " The bag of n-grams of letters is the course's, for comparison: it knows which letters "
    "stand together and hardly anything of the order of words."
)


def figure(measured: Mapping[str, Measurement], bag: Mapping[str, Measurement]) -> Figure:
    """A row for each model and one for the course's teacher; every estimate with its interval.

    `bag` has the measurements of a bag of n-grams, which is not timed; it may be empty.
    """
    rows = [BASELINE, *NAMES, *([BAG] if bag else [])]
    measured = {**measured, **{f"{BAG}.{name}": one for name, one in bag.items()}}
    return Figure(
        name="models",
        title=Text("The four models"),
        kind="table",
        x=Axis(Text("measurement")),
        y=Axis(Text("model")),
        series=[_column(title, cells) for title, cells in _columns(measured, rows)],
        caption=Text(
            "Size is that of the weights as stored and of the tokenizer's file. Times were taken "
            "in turn in one process on one core; in brackets 95% intervals. Compression and "
            "speed-up are over the student's own teacher; those that score are over the "
            "course's.{bag}",
            bag=_ABOUT_BAG if bag else EMPTY,
        ),
        rows=[COURSE, *(TITLES[name] for name in NAMES), *([NGRAMS] if bag else [])],
    )


def claimed(claims: Claims) -> Figure:
    """Claims of table.csv beside the measured values; ✗ where they do not agree."""
    return Figure(
        name="claimed",
        title=Text("Claimed and measured"),
        kind="table",
        x=Axis(Text("claim")),
        y=Axis(Text("model")),
        series=[
            _column(
                _CLAIMED[column],
                [_beside(claims, model, column) for model in NAMES],
            )
            for column in COLUMNS
        ],
        caption=Text(
            "Claimed → measured here. The student measured on the public posts and on another "
            "machine: quality may lie 3 points outside the interval measured here (moved by what "
            "the course's teacher gains on public posts), the speed-up may differ by 2×, and "
            "what is counted by 2%; milliseconds of another machine are not judged."
        ),
        rows=[TITLES[name] for name in NAMES],
    )


_CLAIMED = {
    "bytes": Text("size, bytes"),
    "latency_ms_b1": Text("1 post, ms"),
    "latency_ms_b32": Text("32 posts, ms"),
    "accuracy": verbatim("accuracy"),
    "f1_macro": Text("macro-F1"),
    "f1_weighted": Text("weighted F1"),
    "params": Text("parameters"),
    "compression": Text("compression"),
    "speedup": Text("speed-up"),
}


def _columns(
    measured: Mapping[str, Measurement], rows: Sequence[str]
) -> list[tuple[Text, list[str]]]:
    def cells(name: str, pattern: str, scale: float = 1.0) -> list[str]:
        return [_cell(measured.get(f"{row}.{name}"), pattern, scale) for row in rows]

    return [
        (Text("size, kB"), cells("bytes", "{:,.1f}", 1e-3)),
        (Text("1 post, ms"), cells("latency_ms_b1", "{:.3g}")),
        (Text("32 posts, ms"), cells("latency_ms_b32", "{:.3g}")),
        (verbatim("accuracy, %"), cells("accuracy", "{:.1f}", 100)),
        (Text("macro-F1, %"), cells("f1_macro", "{:.1f}", 100)),
        (Text("weighted F1, %"), cells("f1_weighted", "{:.1f}", 100)),
        (Text("parameters"), cells("params", "{:,.0f}")),
        (Text("compression"), cells(f"{OWN}compression", "{:.2f}×")),
        (Text("speed-up, 1 post"), cells(f"{OWN}ratio_b1", "{:.2f}×")),
        (Text("speed-up, 32"), cells(f"{OWN}ratio_b32", "{:.2f}×")),
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
