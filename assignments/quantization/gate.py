"""The gate: student + PTQ against the course's teacher on the same posts."""

from __future__ import annotations

from dataclasses import dataclass

from grader.data.text.posts import LABELS
from grader.lesson.grades import Gate, Interval, Measurement
from grader.measure.quality import classification
from grader.measure.quality.classification import Metric
from grader.text import Text

from .exam import Exam
from .outcome import Outcome


@dataclass(frozen=True)
class Bound:
    """One condition of the gate."""

    metric: Metric
    value: float
    interval: Interval
    threshold: float
    difference: Interval
    """95% interval of value - baseline, on the same posts."""
    allowed: float

    @property
    def margin(self) -> float:
        return self.value - self.threshold

    @property
    def passed(self) -> bool:
        return self.margin >= 0

    @property
    def within_noise(self) -> bool:
        return self.difference[0] <= -self.allowed <= self.difference[1]


@dataclass(frozen=True)
class GateResult:
    """Both conditions, and the gate, which shows the condition that is nearer to failing."""

    accuracy: Bound
    f1_macro: Bound
    gate: Gate


def judge(exam: Exam, one: Outcome, measured: dict[str, Measurement]) -> GateResult:
    """Compare the model in `one`, whose `accuracy` and `f1_macro` are in `measured`."""
    accuracy = _bound(exam, one, measured["accuracy"], "accuracy")
    macro = _bound(exam, one, measured["f1_macro"], "f1_macro")
    shown = min(accuracy, macro, key=lambda bound: bound.margin)
    gate = Gate(
        metric=shown.metric,
        value=shown.value,
        threshold=shown.threshold,
        interval=shown.interval,
        passed=accuracy.passed and macro.passed,
        within_noise=shown.within_noise,
        explanation=Text(
            "Accuracy must be at least {threshold:.1%} and macro-F1 at least "
            "{macro_threshold:.1%}: {allowed:g} and {macro_allowed:g} points below the course's "
            "teacher on the same posts. Shown is the one with less to spare.",
            threshold=accuracy.threshold,
            macro_threshold=macro.threshold,
            allowed=100 * accuracy.allowed,
            macro_allowed=100 * macro.allowed,
        ),
    )
    return GateResult(accuracy, macro, gate)


def _bound(exam: Exam, one: Outcome, ours: Measurement, metric: Metric) -> Bound:
    allowed = exam.settings[f"{metric}_drop"]
    theirs = exam.teacher_logits.argmax(1)
    paired = classification.difference(metric, one.predictions, theirs, exam.labels, len(LABELS))
    return Bound(
        metric=metric,
        value=ours.value,
        interval=ours.interval or (ours.value, ours.value),
        threshold=exam.baseline[metric].value - allowed,
        difference=paired.interval,
        allowed=allowed,
    )
