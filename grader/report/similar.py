"""The page of `grader similar`: pairs in order, and what each has in common, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from grader.report import render
from grader.report import words as common
from grader.report.charts import numbers
from grader.similarity.pairs import LEAST, Comparison, Pair, Shared
from grader.text import Lang, Text

MOST_TENSORS = 10
MOST_NAMES = 20
ALIKE = 0.4
"""Median similarity from which a whole class is alike."""
SHORT_LINE = 4
"""Characters: brackets alone are equal everywhere."""


class PageWords(common.Words):
    """The words of every page, and those of this one."""

    def __call__(self, key: str, **values: object) -> str:
        own = catalogue().page.get(key)
        return own.to(self.lang).format(**values) if own else super().__call__(key, **values)


def page(found: Comparison, title: Text, lang: Lang, hrefs: Mapping[str, str]) -> str:
    """The page as HTML. `hrefs` leads from a submission's name to its report, URL-quoted."""
    words = PageWords(lang)
    return render.page(
        "similar.html.j2",
        words,
        lesson_title=title.to(lang),
        found=found,
        least=round(100 * LEAST),
        alike=[
            (key, f"{median:.2f}")
            for key, median in (
                ("similar_alike_code", found.usual_code),
                ("similar_alike_mistakes", found.usual_agreement),
            )
            if median is not None and median >= ALIKE
        ],
        rows=[_row(number, pair, hrefs) for number, pair in enumerate(found.pairs, 1)],
        without=found.without[:MOST_NAMES],
        without_more=max(len(found.without) - MOST_NAMES, 0),
    )


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    same: bool
    """Word for word in the other passage too."""


@dataclass(frozen=True)
class Side:
    name: str
    file: str
    first: int
    last: int
    lines: Sequence[Line]
    cut: int


@dataclass(frozen=True)
class Row:
    number: int
    pair: Pair
    href_a: str | None
    href_b: str | None
    score: int
    bars: Sequence[tuple[str, int]]
    """Key of the words, and 0 to 100."""
    passages: Sequence[tuple[Side, Side]]
    tensors: Sequence[tuple[str, str, str, bool]]
    """Name, shape, cosine, and whether the values are the same."""
    more_tensors: int
    agreement: tuple[str, str, str] | None


@cache
def catalogue() -> common.Catalogue:
    raw = (Path(__file__).parent / "similar_words.toml").read_bytes()
    return msgspec.toml.decode(raw, type=common.Catalogue)


def _row(number: int, pair: Pair, hrefs: Mapping[str, str]) -> Row:
    answers = pair.answers
    tensors = pair.tensors if pair.weights > 0 else []
    return Row(
        number=number,
        pair=pair,
        href_a=hrefs.get(pair.a),
        href_b=hrefs.get(pair.b),
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
                " × ".join(numbers.number(side) for side in match.shape),
                f"{match.cosine:.3f}",
                match.equal,
            )
            for match in tensors[:MOST_TENSORS]
        ],
        more_tensors=max(len(tensors) - MOST_TENSORS, 0),
        agreement=None
        if answers is None
        else (
            f"{answers.agreement:.2f}",
            f"{answers.interval[0]:.2f}",
            f"{answers.interval[1]:.2f}",
        ),
    )


def _sides(pair: Pair, shared: Shared) -> tuple[Side, Side]:
    where = shared.passage
    equal = {line.strip() for line in shared.text_a} & {line.strip() for line in shared.text_b}
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
