"""Grades on a terminal: one in full, many as a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import click
from rich.console import Console
from rich.table import Table

from grader.lesson.grades import Figure, Gate, Grade, Measurement, Status, to_json
from grader.lesson.scoring import rank_key
from grader.lesson.spec import LessonSpec
from grader.text import EMPTY, Lang, Text
from grader.text.errors import ExitCode
from grader.text.numbers import formatted, number, rewritten
from grader.text.untrusted import one_line

STATUS = {
    Status.GRADED: Text("graded"),
    Status.REJECTED: Text("rejected"),
    Status.CRASHED: Text("crashed"),
    Status.TIMED_OUT: Text("timed out"),
    Status.OUT_OF_MEMORY: Text("out of memory"),
    Status.GRADER_FAULT: Text("grader fault"),
}
_STOPPED = {Status.CRASHED, Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.GRADER_FAULT}
CLASS_PAGE = Text("Class page")
MAX_ROWS = 60


def exit_code(grades: Collection[Grade]) -> ExitCode:
    """The worst of what happened: 3 not graded, 1 below the gate or a failed check, else 0."""
    if any(grade.status in _STOPPED for grade in grades):
        return ExitCode.UNGRADED
    return ExitCode.OK if all(grade.passed for grade in grades) else ExitCode.BELOW


def one(
    grade: Grade,
    spec: LessonSpec,
    lang: Lang,
    *,
    as_json: bool = False,
    estimate: bool = False,
    steps: Callable[[str], Sequence[Text]] = lambda _: (),
) -> None:
    """Everything about one grade; `steps` gives further hints for a failed check by its name."""
    if as_json:
        click.echo(to_json(grade).decode(), nl=False)
        return
    if grade.status is not Status.GRADED:
        click.secho(f"✗ {STATUS[grade.status].to(lang)}: ", fg="red", bold=True, nl=False)
        click.echo(one_line(grade.reason.to(lang)))
        return
    for check in grade.checks:
        mark, color = ("✓", "green") if check.passed else ("✗", "red")
        click.secho(f"{mark} {check.title.to(lang)}", fg=color)
        click.echo(f"    {one_line(check.message.to(lang))}")
        if not check.passed and check.hint.to(lang):
            click.echo(f"    → {one_line(check.hint.to(lang))}")
        for step in () if check.passed else steps(check.name):
            click.echo(f"    → {one_line(step.to(lang))}")
    click.echo()
    if grade.figures and grade.figures[0].kind == "table":  # the lesson's main result
        _figure_table(grade.figures[0], lang)
        click.echo()
    table = Table(box=None, pad_edge=False)
    for head in (EMPTY, Text("artefact"), Text("baseline")):
        table.add_column(head.to(lang))
    for name, measured in grade.measurements.items():
        base = grade.baseline.get(name)
        table.add_row(name, _figure(measured, lang), _figure(base, lang) if base else "")
    wide_console().print(table)
    _score(grade, lang, estimate)


def many(grades: list[Grade], spec: LessonSpec, lang: Lang) -> None:
    """A table of a class, the best first, at most `MAX_ROWS`; the class page has all."""
    table = Table(box=None, pad_edge=False)
    heads = [one.to(lang) for one in (Text("submission"), Text("status"), Text("score"))]
    table.add_column(heads[0], no_wrap=True, max_width=40)
    table.add_column(heads[1], no_wrap=True)
    table.add_column(heads[2], justify="right")
    for column in spec.report.columns:
        table.add_column(column.title.to(lang), justify="right", no_wrap=True)
    ordered = sorted(grades, key=lambda grade: rank_key(grade, spec))
    for grade in ordered[:MAX_ROWS]:
        status = STATUS[grade.status].to(lang)
        if grade.gate is not None and not grade.gate.passed:
            status += Text(", below the gate").to(lang)
        score = score_cell(grade, lang) if grade.status is Status.GRADED else "—"
        found = ((column.format, grade.value(column.name)) for column in spec.report.columns)
        values = (
            "—" if value is None else rewritten(shape.format(value), lang) for shape, value in found
        )
        table.add_row(one_line(grade.submission.name), status, score, *values)
    console = wide_console()
    console.print(table)
    if len(ordered) > MAX_ROWS:
        console.print(f"... + {number(len(ordered) - MAX_ROWS, lang)}")
    console.print()
    for grade in ordered:
        if grade.status is not Status.GRADED:
            reason = one_line(grade.reason.to(lang))
            console.print(f"{one_line(grade.submission.name)[:40]}: {reason}", soft_wrap=True)


def wide_console() -> Console:
    """A console for tables: of a terminal's width, or at least 160 columns in a log."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 160)
    return console


def score_cell(grade: Grade, lang: Lang) -> str:
    """The score, and what a person may still add to it."""
    more = f" + {formatted(grade.pending, 'g', lang)}" if grade.pending else ""
    return formatted(grade.score, ".3f", lang) + more


def _figure(measured: Measurement, lang: Lang) -> str:
    """Value, unit and interval of a measurement."""
    value = measured.value
    whole = value == int(value) and abs(value) < 1e12
    shown = formatted(value, ",.0f" if whole else ".4g", lang)
    unit = f" {measured.unit}" if measured.unit else ""
    if measured.interval is None:
        return f"{shown}{unit}"
    low, high = measured.interval
    interval = Text("[{low:.3g}, {high:.3g}]", low=low, high=high)
    return f"{shown}{unit}  {interval.to(lang)}"


def _figure_table(figure: Figure, lang: Lang) -> None:
    """A figure of the kind `table`, with the rows and columns of the report."""
    click.secho(figure.title.to(lang), bold=True)
    table = Table(box=None, pad_edge=False)
    table.add_column(figure.y.label.to(lang))
    for series in figure.series:
        table.add_column(series.label.to(lang), justify="right")
    columns = [[rewritten(cell, lang) for cell in series.point_labels] for series in figure.series]
    for at, row in enumerate(figure.rows):
        cells = [cells[at] if at < len(cells) else "" for cells in columns]
        table.add_row(*map(one_line, [row.to(lang), *cells]))
    wide_console().print(table)


def _score(grade: Grade, lang: Lang, estimate: bool) -> None:
    click.echo()
    if grade.gate is not None:
        _gate(grade.gate, lang)
    for term in grade.terms:
        points, most = formatted(term.points, ".3f", lang), formatted(term.max_points, "g", lang)
        click.echo(f"{term.name}: {term.formula} = {points} / {most}")
    for deduction in grade.deductions:
        why = one_line(deduction.why.to(lang))
        points = formatted(deduction.points, ".3f", lang)
        click.echo(f"{deduction.title.to(lang)}: −{points} ({why})")
    label = Text("Score")
    if estimate:
        label = Text("Score estimate (public data)")
    score, most = formatted(grade.score, ".3f", lang), formatted(grade.max_score, "g", lang)
    click.secho(f"{label.to(lang)}: {score} / {most}", bold=True)
    if grade.pending:
        waiting = Text("Waiting for a person: up to {pending:g} more.", pending=grade.pending)
        click.echo(waiting.to(lang))


def _gate(gate: Gate, lang: Lang) -> None:
    if gate.passed:
        verdict = Text("Gate passed")
    else:
        verdict = Text("Gate missed, gated terms score 0")
    noise = Text(" (within the noise of the data)")
    doubt = noise.to(lang) if gate.within_noise else ""
    less = gate.value < gate.threshold
    sign = ("≤" if less else "≥") if gate.passed else ("<" if less else ">")
    value, threshold = (formatted(one, ".4g", lang) for one in (gate.value, gate.threshold))
    click.secho(
        f"{verdict.to(lang)}: {gate.metric} {value} {sign} {threshold}{doubt}",
        fg="green" if gate.passed else "red",
    )
