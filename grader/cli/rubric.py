"""`grader rubric OUT`: the points that only a person can give."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

import click
from rich.table import Table

from grader import batch
from grader.batch import MergedForm
from grader.cli import options, report, show
from grader.lesson import loading, rubric
from grader.lesson.spec import LessonSpec
from grader.text import Lang, Text
from grader.text.errors import ExitCode, UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line, quoted

MAX_ROWS = 60


@click.command()
@click.argument("out", type=options.PATH)
@click.argument("name", required=False)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="CRITERION=POINTS",
    help="Give points without an editor; may be repeated.",
)
@click.option("--why", default="", help="Why these points; with --set.")
@click.option("--by", default="", help="Who judges; with --set.")
@click.option("--waiting", is_flag=True, help="List only what is not judged yet.")
@options.jobs
@options.as_json
@options.lang
@batch.sigterm_like_ctrl_c()
def command(
    out: Path,
    name: str | None,
    assignments: tuple[str, ...],
    why: str,
    by: str,
    waiting: bool,
    jobs: int,
    as_json: bool,
    lang: Lang,
) -> int:
    """Judge the submissions graded in OUT by the lesson's rubric.

    Makes a form OUT/rubric/NAME.toml for each submission, checks those that were filled in, merges
    their points into the grades and lists what waits. With NAME, opens that form in $EDITOR first,
    or sets points with --set. Who judged, when and why is kept.
    """
    spec = _spec(out)
    points = dict(_assignment(one, spec) for one in assignments)
    if bool(points) != bool(why or by) or (points and not (name and why and by)):
        raise UsageError(
            "--set needs the submission's NAME, --why and --by, and they need --set; for example "
            'grader rubric OUT NAME --set model=2 --why "clear" --by "A. Petrova".'
        )
    with batch.locked(out), batch.disk_errors(out):
        paths = batch.grade_files(out)
        merged = (batch.merge_form(path, spec, lang, create=True) for path in paths)
        found = {one.grade.submission.name: one for one in merged if one is not None}
        if name is not None:
            grade = _grade_of(out, name, found)
            if points:
                batch.set_points(grade, spec, lang, points, why, by)
            else:
                form = batch.beside(grade, "rubric")
                if sys.stdin.isatty() or os.environ.get("VISUAL") or os.environ.get("EDITOR"):
                    click.edit(filename=str(form))
                else:
                    place = Text("Fill in: {form}", form=form.resolve())
                    click.echo(place.to(lang), err=True)
            again = batch.merge_form(grade, spec, lang)
            assert again is not None
            found[name] = again
        if any(one.changed for one in found.values()):
            with Reporter(lang) as progress:
                report.write(out, lang, jobs, progress)
    _show(found, spec, lang, only_waiting=waiting, as_json=as_json)
    problems = [one.problem for one in found.values() if one.problem is not None]
    for problem in problems:
        click.echo(one_line(problem.to(lang)), err=True)
    return ExitCode.USAGE if problems else ExitCode.OK


def _spec(out: Path) -> LessonSpec:
    """The lesson of the grades in `out`. Raises UsageError when there are none, or no rubric."""
    spec = loading.load(batch.first_grade(out).lesson).spec
    if not spec.rubric:
        raise UsageError(
            "The lesson {name} has no rubric: the machine gives all of its points.", name=spec.name
        )
    return spec


def _assignment(text: str, spec: LessonSpec) -> tuple[str, float]:
    """`model=1.5` as criterion and points."""
    name, _, number = text.partition("=")
    known = {one.name: one.max_points for one in spec.rubric}
    try:
        points = float(number)
    except ValueError:
        points = -1.0
    if not 0 <= points <= known.get(name, -1.0):
        expected = ", ".join(f"{one.name}=0…{one.max_points:g}" for one in spec.rubric)
        raise UsageError(
            "--set {text} is none of {expected}; correct it.", text=quoted(text), expected=expected
        )
    return name, points


def _grade_of(out: Path, name: str, found: dict[str, MergedForm]) -> Path:
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        wrong = quoted(name)
        if not close:
            raise UsageError("No graded submission is called {name}.", name=wrong)
        raise UsageError(
            "No graded submission is called {name}. Did you mean {close}?",
            name=wrong,
            close=one_line(close[0]),
        )
    return batch.grade_path(out, name)


def _show(
    found: dict[str, MergedForm], spec: LessonSpec, lang: Lang, *, only_waiting: bool, as_json: bool
) -> None:
    """What waits first; long classes are cut on a terminal."""
    rows = sorted(
        found.values(), key=lambda one: (not _waits(one, spec), one.grade.submission.name)
    )
    open_rows = [one for one in rows if _waits(one, spec)]
    shown = open_rows if only_waiting else rows
    if as_json:
        options.print_json([_facts(one, spec) for one in shown])
        return
    table = Table(box=None, pad_edge=False)
    heads = [one.to(lang) for one in (Text("submission"), Text("state"), Text("score"))]
    table.add_column(heads[0], no_wrap=True, max_width=40)
    for criterion in spec.rubric:
        table.add_column(criterion.name, justify="right")
    table.add_column(heads[2], justify="right", no_wrap=True)
    table.add_column(heads[1])
    for one in shown[:MAX_ROWS]:
        given = rubric.current(one.grade.judgements)
        points = (
            f"{given[criterion.name].points:g}" if criterion.name in given else "—"
            for criterion in spec.rubric
        )
        name, state = one_line(one.grade.submission.name), _state(one, spec).to(lang)
        table.add_row(name, *points, show.score_cell(one.grade, lang), state)
    console = show.wide_console()
    if shown:
        console.print(table)
    if len(shown) > MAX_ROWS:
        console.print(f"... + {len(shown) - MAX_ROWS:,}")
    waiting = Text(
        "Waiting for a person: {open_rows_count} of {rows_count}.",
        open_rows_count=len(open_rows),
        rows_count=len(rows),
    )
    console.print(waiting.to(lang))


def _waits(one: MergedForm, spec: LessonSpec) -> bool:
    """True when a person has to look: a criterion is open or outdated, or the form is damaged."""
    open_criteria = rubric.waiting(one.grade, spec) or rubric.outdated(one.grade, spec)
    return one.problem is not None or bool(open_criteria)


def _state(one: MergedForm, spec: LessonSpec) -> Text:
    if one.problem is not None:
        return Text("the form is damaged")
    if missing := rubric.waiting(one.grade, spec):
        names = ", ".join(criterion.name for criterion in missing)
        return Text("waits: {names}", names=names)
    if outdated := rubric.outdated(one.grade, spec):
        names = ", ".join(criterion.name for criterion in outdated)
        return Text("changed since it was judged: {names}", names=names)
    return Text("judged")


def _facts(one: MergedForm, spec: LessonSpec) -> dict[str, object]:
    given = rubric.current(one.grade.judgements)
    return {
        "name": one.grade.submission.name,
        "form": str(one.form),
        "points": {name: judged.points for name, judged in given.items()},
        "waiting": [criterion.name for criterion in rubric.waiting(one.grade, spec)],
        "outdated": [criterion.name for criterion in rubric.outdated(one.grade, spec)],
        "problem": None if one.problem is None else str(one.problem.text),
        "score": one.grade.score,
        "pending": one.grade.pending,
    }
