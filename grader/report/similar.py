"""The page of `grader similar`: ranked pairs, and what each has in common side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.report import numbers, render
from grader.report.labels import Labels
from grader.similarity.pairs import LEAST, Comparison, Pair, Shared
from grader.text import Lang, Text

MOST_TENSORS = 10
MOST_NAMES = 20
ALIKE = 0.4
"""Median similarity from which the page says that a whole class is alike."""
SHORT_LINE = 4
"""Characters; shorter lines, such as a bracket alone, are not marked as equal."""


@dataclass(frozen=True)
class Line:
    """A line of a passage."""

    number: int
    text: str
    same: bool
    """Whether the other passage has an equal line."""


@dataclass(frozen=True)
class Side:
    """One of the two passages of a match; `cut` is the number of lines left out."""

    name: str
    file: str
    first: int
    last: int
    lines: Sequence[Line]
    cut: int


@dataclass(frozen=True)
class Row:
    """One pair of submissions."""

    pair: Pair
    score: int
    bars: Sequence[tuple[str, int]]
    """Key of the label, and 0 to 100."""
    passages: Sequence[tuple[Side, Side]]
    tensors: Sequence[tuple[str, str, str, bool]]
    """Name, shape, cosine, and whether the values are the same."""


def page(found: Comparison, title: Text, lang: Lang, hrefs: Mapping[str, str]) -> str:
    """The page as HTML. `hrefs` maps a submission's name to its report, URL-quoted."""
    labels = Labels(lang)
    return render.page(
        "similar.html.j2",
        labels,
        lesson_title=title.to(lang),
        found=found,
        least=round(100 * LEAST),
        alike=[
            (key, numbers.formatted(median, "{:.2f}", lang))
            for key, median in (
                ("similar_alike_code", found.usual_code),
                ("similar_alike_mistakes", found.usual_agreement),
            )
            if median is not None and median >= ALIKE
        ],
        rows=[_row(pair, lang) for pair in found.pairs],
        hrefs=hrefs,
        most_tensors=MOST_TENSORS,
        most_names=MOST_NAMES,
    )


def _row(pair: Pair, lang: Lang) -> Row:
    return Row(
        pair=pair,
        score=round(100 * pair.number),
        bars=[
            ("similar_code", round(100 * pair.code)),
            ("similar_weights", round(100 * pair.weights)),
            ("similar_mistakes", round(100 * pair.mistakes)),
        ],
        passages=[_sides(pair, shared) for shared in pair.passages],
        tensors=[
            (
                match.name_a,
                " × ".join(numbers.number(side, lang) for side in match.shape),
                numbers.formatted(match.cosine, "{:.3f}", lang),
                match.equal,
            )
            for match in (pair.tensors if pair.weights > 0 else [])
        ],
    )


def _sides(pair: Pair, shared: Shared) -> tuple[Side, Side]:
    where = shared.passage
    equal = set(map(str.strip, shared.text_a)) & set(map(str.strip, shared.text_b))
    return (
        _side(pair.a, where.file_a, where.lines_a, shared.text_a, equal),
        _side(pair.b, where.file_b, where.lines_b, shared.text_b, equal),
    )


def _side(
    name: str, file: str, span: tuple[int, int], lines: Sequence[str], equal: set[str]
) -> Side:
    first, last = span
    shown = [
        Line(number, line, line.strip() in equal and len(line.strip()) >= SHORT_LINE)
        for number, line in enumerate(lines, first)
    ]
    return Side(name, file, first, last, shown, last - first + 1 - len(shown))
