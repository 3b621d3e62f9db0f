"""A badge: a small picture of a score, and a summary in Markdown."""

from __future__ import annotations

from markupsafe import escape

from grader.lesson.grades import Grade, Status
from grader.lesson.spec import LessonSpec
from grader.report import numbers
from grader.report.charts.drawing import ems
from grader.report.labels import Labels, outcome
from grader.text import Lang

_HEIGHT, _LETTERS, _ROOM = 20, 11.0, 7.0
_FONT = 0.95
"""Width of the badge's font relative to `ems`, which assumes a wide one."""
_COLORS = {"passed": "#17764a", "checks": "#0c7c86", "below": "#8a5300"}
_OTHER = "#b3261e"
"""The color of other outcomes. All are dark enough for white letters (WCAG, 4.5:1)."""
_TITLE = "#3a3d46"


def svg(grade: Grade, spec: LessonSpec, lang: Lang) -> str:
    """The picture: the lesson at the left, the result at the right."""
    left, right = spec.name, _result(grade, Labels(lang))
    color = _COLORS.get(outcome(grade), _OTHER)
    first, second = (round(_FONT * _LETTERS * ems(text) + 2 * _ROOM) for text in (left, right))
    whole = first + second
    described = escape(_described(grade, spec, lang))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:g}" height="{_HEIGHT}"'
        f' viewBox="0 0 {whole:g} {_HEIGHT}" role="img" aria-label="{described}">'
        f"<title>{described}</title>"
        f'<rect width="{whole:g}" height="{_HEIGHT}" rx="4" fill="{color}"/>'
        f'<path d="M4 0H{first:g}V{_HEIGHT}H4a4 4 0 0 1-4-4V4a4 4 0 0 1 4-4z" fill="{_TITLE}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="{_LETTERS:g}"'
        ' text-anchor="middle">'
        f"{_text(left, first / 2, first)}{_text(right, first + second / 2, second)}</g></svg>\n"
    )


def markdown(grade: Grade, spec: LessonSpec, lang: Lang, picture: str) -> str:
    """The picture with an alternative text, and a table of the lesson's columns."""
    labels = Labels(lang)
    lines = [f"![{_escaped(_described(grade, spec, lang))}]({picture})", ""]
    shown = [
        (column.title, column.show(grade.value(column.name)))
        for column in numbers.columns(spec, labels)
        if grade.value(column.name) is not None
    ]
    if grade.status is Status.GRADED and shown:
        shown.insert(0, (labels("score"), _result(grade, labels)))
        lines += [
            "| " + " | ".join(_escaped(title) for title, _ in shown) + " |",
            "|" + "---|" * len(shown),
            "| " + " | ".join(_escaped(value) for _, value in shown) + " |",
            "",
        ]
    lines.append(labels("badge_says", data=_escaped(grade.provenance.data.partition(":")[0])))
    return "\n".join(lines) + "\n"


def _result(grade: Grade, labels: Labels) -> str:
    if grade.status is not Status.GRADED:
        return labels(f"outcome_{grade.status.value}")
    score, most = (numbers.points(one, labels.lang) for one in (grade.score, grade.max_score))
    return f"{score} / {most}"


def _described(grade: Grade, spec: LessonSpec, lang: Lang) -> str:
    labels = Labels(lang)
    result = _result(grade, labels)
    if grade.status is Status.GRADED:
        result += f", {labels(f'outcome_{outcome(grade)}')}"
    return f"{spec.title.to(lang)}: {result}"


def _text(text: str, middle: float, width: float) -> str:
    # A fixed length: the letters fill their half of the badge in every font.
    return (
        f'<text x="{middle:g}" y="14" textLength="{width - 2 * _ROOM:g}"'
        f' lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|" else letter for letter in text)
