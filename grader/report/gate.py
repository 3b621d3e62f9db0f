"""The quality gate of one grade: its figures, sentences about them, and a number line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup, escape

from grader.lesson.grades import Gate, Grade
from grader.lesson.spec import LessonSpec
from grader.report import numbers
from grader.report.labels import Labels
from grader.report.numbers import Metric
from grader.text.untrusted import name

_WIDTH, _HEIGHT = 460.0, 84.0
_LEFT, _RIGHT, _LINE = 8.0, 452.0, 44.0
_LETTER = 7.0


@dataclass(frozen=True)
class GateView:
    """A gate as a page shows it."""

    title: str
    value: str
    bound: str
    """`at most 5.5×10⁻⁵`"""
    interval: str
    passed: bool
    sentences: list[str]
    line: Markup


def gate_view(grade: Grade, spec: LessonSpec, labels: Labels) -> GateView | None:
    """The gate with its number line and sentences on what its figures mean; None without one."""
    gate = grade.gate
    if gate is None:
        return None
    metric = numbers.metric(spec, gate.metric, labels, [grade.measurements.get(gate.metric)])
    bound = "gate_at_most" if metric.lower_is_better else "gate_at_least"
    sentences = [_margin(gate, labels)]
    if gate.within_noise:
        sentences.append(labels("gate_noise_passed" if gate.passed else "gate_noise_missed"))
    elif gate.interval[0] <= gate.threshold <= gate.interval[1]:
        sentences.append(labels("gate_beyond_noise"))
    if explanation := gate.explanation.to(labels.lang):
        sentences.append(explanation)
    return GateView(
        title=metric.title,
        value=metric.show(gate.value),
        bound=labels(bound, threshold=metric.show(gate.threshold)),
        interval=labels("gate_interval", interval=numbers.interval(gate.interval, labels.lang)),
        passed=gate.passed,
        sentences=sentences,
        line=_number_line(gate, metric, labels),
    )


def _number_line(gate: Gate, metric: Metric, labels: Labels) -> Markup:
    """Value, interval and threshold on one line; the side that passes is tinted."""
    description = labels(
        "gate_drawn",
        metric=metric.title,
        value=metric.show(gate.value),
        interval=numbers.interval(gate.interval, labels.lang),
        threshold=metric.show(gate.threshold),
    )
    at = _placer(list(filter(numbers.finite, (gate.value, gate.threshold, *gate.interval))))
    value, limit = at(gate.value), at(gate.threshold)
    low, high = sorted((at(gate.interval[0]), at(gate.interval[1])))
    good = (_LEFT, limit) if metric.lower_is_better else (limit, _RIGHT)
    side = "start" if metric.lower_is_better else "end"
    role = "good" if gate.passed else "bad"
    limit_text = f"{labels('threshold')} {metric.show(gate.threshold)}"
    return Markup(
        f'<svg class="plot gate-line" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img"'
        f' aria-label="{escape(name(description, 300))}">'
        f'<path class="track" d="M{_LEFT} {_LINE}H{_RIGHT}"/>'
        f'<path class="track good" d="M{good[0]:.1f} {_LINE}H{good[1]:.1f}"/>'
        f'<path class="spread {role}" d="M{low:.1f} {_LINE}H{high:.1f}"/>'
        f'<path class="limit" d="M{limit:.1f} {_LINE - 13}v26"/>'
        f'<circle class="value {role}" cx="{value:.1f}" cy="{_LINE}" r="7"/>'
        f"{_text(metric.show(gate.value), value, _LINE - 19, f'value {role}')}"
        f"{_text(limit_text, limit, _LINE + 30, 'tick')}"
        f"{_side(labels('gate_good_side'), good, limit, side)}"
        "</svg>"
    )


def _margin(gate: Gate, labels: Labels) -> str:
    if not (numbers.finite(gate.value) and numbers.finite(gate.threshold)) or gate.threshold == 0:
        return labels("gate_passed_plain" if gate.passed else "gate_missed_plain")
    ratio = gate.value / gate.threshold
    if not gate.passed and ratio >= 2:
        return labels("gate_missed_times", times=f"{numbers.number(ratio, labels.lang, 3)}×")
    percent = abs(ratio - 1) * 100
    margin = f"{numbers.number(percent, labels.lang, 2) if percent < 10 else f'{percent:.0f}'}%"
    verdict = "passed" if gate.passed else "missed"
    return labels(f"gate_{verdict}_{'below' if ratio < 1 else 'above'}", margin=margin)


def _placer(values: list[float]) -> Callable[[float], float]:
    """A map from values to the line; it is logarithmic for positive values that are far apart."""
    if not values:
        return lambda _: (_LEFT + _RIGHT) / 2
    log = min(values) > 0 and max(values) > 4 * min(values)
    scale: Callable[[float], float] = math.log if log else float
    low, high = scale(min(values)), scale(max(values))
    room = (high - low) * 0.18 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room

    def at(value: float) -> float:
        if not numbers.finite(value) or (log and value <= 0):
            return _RIGHT
        share = (scale(value) - low) / (high - low)
        return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)

    return at


def _text(text: str, at: float, y: float, role: str) -> str:
    half = _LETTER * len(text) / 2
    at = min(max(at, _LEFT + half), _RIGHT - half)
    return (
        f'<text class="{role}" x="{at:.1f}" y="{y:g}" text-anchor="middle">'
        f"{escape(name(text))}</text>"
    )


def _side(text: str, good: tuple[float, float], limit: float, anchor: str) -> str:
    """The label of the side that passes, when it fits next to the threshold's label."""
    if good[1] - good[0] < _LETTER * (len(text) + 14):
        return ""
    at = _LEFT if anchor == "start" else _RIGHT
    return (
        f'<text class="tick" x="{at}" y="{_LINE + 30}" text-anchor="{anchor}">{escape(text)}</text>'
    )
