"""`grader check [DIR]`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import msgspec

from grader import text
from grader.cli import options, show
from grader.grading import check, history, project
from grader.grading.hints import REJECTED, Hints, hints, reveal
from grader.grading.history import Version
from grader.lesson.grades import Grade, Status, to_json, write_atomically
from grader.text import Lang, Text
from grader.text.errors import ExitCode, Fault, UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line


@dataclass(frozen=True)
class Request:
    """How the result of a check is shown and what is written."""

    lang: Lang
    html: Path | None
    as_json: bool
    hint: bool
    badge: bool
    watch: bool


@click.command()
@click.argument("folder", metavar="[DIR]", type=options.PATH, default=Path())
@click.option("--lesson", type=options.LESSON, help="Lesson, where the folder does not say it.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@click.option("--hint", is_flag=True, help="Show the next hint for the first check that failed.")
@click.option(
    "--badge",
    is_flag=True,
    help=f"Write {project.BADGE} and {project.SUMMARY}, a summary to paste.",
)
@options.data
@options.html
@options.as_json
@options.lang
def command(
    folder: Path,
    lesson: str | None,
    watch: bool,
    hint: bool,
    badge: bool,
    data: str | None,
    source: Path | None,
    html: Path | None,
    as_json: bool,
    lang: Lang,
) -> int:
    """Check your own work in DIR (default: here) on the public data.

    Shows every public check with a hint, the measurements and an estimate of the score. The
    graded score is taken on hidden data and will differ a little.

    In a folder that `grader new` made it also writes grade.json and remembers, in .grader, what
    every version came to and which hints were shown.
    """
    request = Request(lang, html, as_json, hint, badge, watch)
    with Reporter(lang) as progress:
        checker = check.prepare(folder, lesson=lesson, data=data, source=source, progress=progress)
        if (hint or badge) and checker.project is None:
            raise UsageError(
                "{resolve} was not made by `grader new LESSON DIR`, so nothing is kept in it; "
                "--hint and --badge work in a folder that it made.",
                resolve=folder.resolve(),
            )
        grade = None if watch else checker.check()
    return _watch(checker, request) if grade is None else _show(checker, grade, request)


def _watch(checker: check.Checker, request: Request) -> int:
    """Check, and again after every change; the exit code of the last check."""
    lang = request.lang
    checking = Text("checking ...").to(lang)
    waiting = Text("Waiting for a change of the files; Ctrl-C ends.").to(lang)
    code = int(ExitCode.OK)
    try:
        while True:
            if not request.as_json:
                click.clear()  # does nothing where the output is no terminal
                click.echo(time.strftime("%H:%M:%S ") + checking)
            before = project.snapshot(checker.folder, request.html)
            try:
                code = _show(checker, checker.check(), request)
                request = replace(request, hint=False)  # one hint is shown, not one a change
            except Fault as error:  # the next version may be measured all the same
                click.echo(error.to(lang), err=True)
                code = error.exit_code
            if not request.as_json:
                click.echo(f"\n{waiting}")
            project.wait(checker.folder, before, request.html)
    except KeyboardInterrupt:
        return code


def _show(checker: check.Checker, grade: Grade, request: Request) -> int:
    """Show one check and remember it in the project; its exit code."""
    lang, spec, folder = request.lang, checker.lesson.spec, checker.project
    found = hints(grade, spec, folder)
    versions: list[Version] = []
    if folder is not None:
        try:
            versions = history.add(folder, history.of(grade, spec))
            write_atomically(folder / project.GRADE, to_json(grade))
            found = reveal(found, folder) if request.hint else found
            if request.badge:
                from grader.report import badge

                summary = badge.markdown(grade, spec, lang, project.BADGE)
                write_atomically(folder / project.BADGE, badge.svg(grade, spec, lang).encode())
                write_atomically(folder / project.SUMMARY, summary.encode())
        except OSError as error:
            click.echo(options.unwritable(folder, error).to(lang), err=True)
    if request.html is not None:
        from grader import report

        drawn = history.figure(versions)
        figures = grade.figures if drawn is None else [*grade.figures, drawn]
        page = report.student_page(msgspec.structs.replace(grade, figures=figures), spec, lang)
        write_atomically(request.html.absolute(), page.encode())
    if request.as_json:
        raw = text.to_json(grade) + b"\n" if request.watch else to_json(grade)
        click.echo(raw.decode(), nl=False)
    else:
        _print(checker, grade, found, versions, request)
    return show.exit_code([grade])


def _print(
    checker: check.Checker, grade: Grade, found: Hints, versions: list[Version], request: Request
) -> None:
    lang, spec, folder = request.lang, checker.lesson.spec, checker.project
    show.one(grade, spec, lang, estimate=True, steps=found.of)
    if grade.status is Status.GRADED and not request.watch:
        for line in check.other_figures(checker.folder, spec):
            click.echo(one_line(line.to(lang)))
    if grade.status is Status.REJECTED:
        for step in found.of(REJECTED):
            click.echo(f"    → {one_line(step.to(lang))}")
        click.echo()
        click.echo(spec.next_step.to(lang))
    if versions:
        click.echo(history.sentence(versions).to(lang))
    if request.hint or (found.next and folder):
        click.echo(_about_hints(found, grade).to(lang))
    if request.badge and folder:
        click.echo((folder / project.SUMMARY).read_text(encoding="utf-8"), nl=False)


def _about_hints(found: Hints, grade: Grade) -> Text:
    """Says how to get the next hint, or that there is none."""
    name = found.next
    if grade.passed:
        return Text("Everything passed: there is nothing to hint at.")
    if name is None:
        return Text("There are no further hints for what failed.")
    title = next((one.title for one in grade.checks if one.name == name), None)
    if title is None:
        return Text(
            "`grader check --hint` shows the next hint ({left} left).", left=found.left(name)
        )
    return Text(
        "`grader check --hint` shows the next hint for “{title}” ({left} left).",
        title=title,
        left=found.left(name),
    )
