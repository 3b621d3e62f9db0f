"""Figures of a report: bytes and time by part, and answers before and after quantization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.data.text.posts import LABELS
from grader.lesson.grades import Axis, Figure, Measurement, Series
from grader.measure.quality import classification
from grader.measure.quality.experiments import Experiment
from grader.text import Text, verbatim

from .exam import Exam, Labels
from .outcome import Outcome, per_post
from .submitted import NAMES, STUDENT, STUDENT_PTQ, TEACHER, TEACHER_PTQ, TITLES, Model
from .table import BASELINE, COURSE

Outcomes = Mapping[str, Outcome]

_MODEL = Axis(Text("model"))
_CLASSES = {
    "negative": verbatim("negative"),
    "neutral": verbatim("neutral"),
    "positive": verbatim("positive"),
    "skip": verbatim("skip"),
    "speech": verbatim("speech"),
}


def components(models: Mapping[str, Model]) -> Figure:
    """Bytes of embedding, attention, the rest and the tokenizer, for each model."""
    rows = [BASELINE, *NAMES]
    bytes_of = {
        name: {**model.quantization.bytes_by, "tokenizer": len(model.tokenizer)}
        for name, model in models.items()
    }
    parts = [
        ("embedding", "submission", Text("embedding")),
        ("attention", "baseline", Text("attention")),
        ("rest", "reference", Text("the rest")),
        ("tokenizer", "experiment", verbatim("tokenizer.json")),
    ]
    return Figure(
        name="components",
        title=Text("Size by component"),
        kind="bars",
        x=Axis(Text("size"), "B", "log"),
        y=_MODEL,
        series=[
            _bars(
                role,
                label,
                # A log axis cannot show 0, for a part that a model does not have.
                [(row, size) for row, name in enumerate(rows) if (size := bytes_of[name][part])],
            )
            for part, role, label in parts
        ],
        caption=Text(
            "As stored. Where the embedding is most of the model, quantizing the rest saves little."
        ),
        rows=_named(),
    )


def latencies(outcomes: Outcomes) -> Figure:
    """Distribution of the time of a post at batch 1: three quantiles for each model."""
    quantiles = [
        (10, "reference", Text("10% are faster than")),
        (50, "submission", Text("median")),
        (90, "baseline", Text("10% are slower than")),
    ]
    times = [per_post(outcomes[name].single) for name in (BASELINE, *NAMES)]
    return Figure(
        name="latency",
        title=Text("Latency, one post at a time"),
        kind="bars",
        x=Axis(Text("time"), "ms", "log"),
        y=_MODEL,
        series=[
            _bars(
                role,
                label,
                [(row, float(np.percentile(one, share))) for row, one in enumerate(times)],
            )
            for share, role, label in quantiles
        ],
        caption=Text(
            "Short posts take less time than long ones, so most of the spread is the posts'. All "
            "models were timed in turn on the same posts, in one process on one core."
        ),
        rows=_named(),
    )


@dataclass(frozen=True)
class Cost:
    """One cost against which accuracy is drawn."""

    column: str
    title: Text
    axis: Axis


COSTS = (
    Cost(
        "bytes",
        Text("Quality and size"),
        Axis(Text("size"), "B", "log"),
    ),
    Cost(
        "latency_ms_b1",
        Text("Quality and latency"),
        Axis(Text("time of one post"), "ms", "log"),
    ),
)


RECORDED = ("bytes", "latency_ms_b1", "accuracy")
"""Columns of experiments.csv that are drawn."""


def quality_against(
    measured: Mapping[str, Measurement],
    cost: Cost,
    threshold: float,
    recorded: Sequence[Experiment],
) -> Figure:
    """Accuracy of every model and every experiment of experiments.csv against a cost."""
    tried = [one for one in recorded if one.values[cost.column] > 0]
    return Figure(
        name=f"accuracy_against_{cost.column}",
        title=cost.title,
        kind="scatter",
        x=cost.axis,
        y=Axis(verbatim("accuracy"), "%"),
        series=[
            _point(measured, cost.column, "submission", STUDENT_PTQ),
            _point(measured, cost.column, "baseline", BASELINE),
            *(_point(measured, cost.column, "experiment", name) for name in NAMES[:-1]),
            *([_tried(tried, cost.column)] if tried else []),
            Series(
                Text("gate"),
                "threshold",
                x=[1.0, 1e6],
                y=[100 * threshold, 100 * threshold],
            ),
        ],
        caption=Text(
            "Towards the upper left is better; bars are 95% intervals. Rows of experiments.csv "
            "are the student's own figures, on the public posts and another machine."
        ),
    )


def by_class(exam: Exam, outcomes: Outcomes) -> Figure:
    """Recall of every class before and after quantization."""
    return Figure(
        name="recall_by_class",
        title=Text("Recall by class"),
        kind="bars",
        x=Axis(Text("recall"), "%"),
        y=Axis(Text("class")),
        series=_shares(exam, outcomes, [exam.labels == label for label in range(len(LABELS))]),
        caption=Text("A mean hides what a rare class loses."),
        rows=[_CLASSES[name] for name in LABELS],
    )


def by_phenomenon(exam: Exam, outcomes: Outcomes) -> Figure | None:
    """Accuracy by linguistic phenomenon; None where the data does not state it."""
    kinds = sorted({group for group in exam.groups if group})
    if not kinds:
        return None
    groups = np.array(exam.groups)
    return Figure(
        name="accuracy_by_phenomenon",
        title=Text("Accuracy by phenomenon"),
        kind="bars",
        x=Axis(verbatim("accuracy"), "%"),
        y=Axis(Text("what decides")),
        series=_shares(exam, outcomes, [groups == kind for kind in kinds]),
        caption=Text(
            "What a keyword decides survives compression; what takes several words together goes "
            "first."
        ),
        rows=[_PHENOMENA.get(kind, verbatim(kind)) for kind in kinds],
    )


def confusion(exam: Exam, one: Outcome) -> Figure:
    """Confusion matrix: right classes by row, answers by column."""
    counts = classification.confusion(one.predictions, exam.labels, len(LABELS))
    rows, columns = np.nonzero(counts)
    title = TITLES[one.name]
    names = [_CLASSES[name] for name in LABELS]
    return Figure(
        name=f"confusion_{one.name}",
        title=Text("Confusions: {title}", title=title),
        kind="heatmap",
        x=Axis(Text("answer")),
        y=Axis(Text("right")),
        series=[
            Series(
                title,
                "submission",
                x=columns.astype(float).tolist(),
                y=rows.astype(float).tolist(),
                values=counts[rows, columns].astype(float).tolist(),
            )
        ],
        caption=Text("Share of the posts of a row, in per cent."),
        rows=names,
        columns=names,
    )


_PHENOMENA: dict[str, Text] = {
    "plain": Text("a plain word"),
    "intensifier": Text("intensifier"),
    "negation": Text("negation"),
    "contrast": Text("contrast"),
    "two_aspects": Text("two aspects"),
    "irony": Text("irony"),
    "quotation": Text("quotation"),
    "conditional": Text("conditional"),
    "question": Text("question"),
    "comparison": Text("comparison"),
    "greeting_flip": Text("a greeting that flips"),
    "speech": Text("formula"),
    "fact": Text("fact"),
    "fragment": Text("fragment"),
}


def _named() -> list[Text]:
    return [COURSE, *(TITLES[name] for name in NAMES)]


def _bars(role: str, label: Text, values: Sequence[tuple[int, float]]) -> Series:
    """Bars of (row, length)."""
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[float(value) for _, value in values],
        y=[float(row) for row, _ in values],
    )


def _shares(exam: Exam, outcomes: Outcomes, chosen: Sequence[np.ndarray]) -> list[Series]:
    """Percent of right answers on each set of posts, before and after quantization."""
    roles = {
        TEACHER: "reference",
        TEACHER_PTQ: "baseline",
        STUDENT: "experiment",
        STUDENT_PTQ: "submission",
    }
    return [
        _bars(
            role,
            TITLES[name],
            [
                (row, _right(outcomes[name].predictions, exam.labels, posts))
                for row, posts in enumerate(chosen)
            ],
        )
        for name, role in roles.items()
    ]


def _right(predictions: Labels, labels: Labels, posts: np.ndarray) -> float:
    if not posts.any():
        return 0.0
    return 100 * float(np.mean(predictions[posts] == labels[posts]))


def _tried(recorded: Sequence[Experiment], column: str) -> Series:
    return Series(
        verbatim("experiments.csv"),
        "reference",
        x=[one.values[column] for one in recorded],
        y=[100 * one.values["accuracy"] for one in recorded],
        point_labels=[one.name for one in recorded],
    )


def _point(measured: Mapping[str, Measurement], column: str, role: str, name: str) -> Series:
    accuracy = measured[f"{name}.accuracy"]
    low, high = accuracy.interval or (accuracy.value, accuracy.value)
    return Series(
        label=COURSE if name == BASELINE else TITLES[name],
        role=role,  # type: ignore[arg-type]
        x=[measured[f"{name}.{column}"].value],
        y=[100 * accuracy.value],
        y_low=[100 * low],
        y_high=[100 * high],
    )
