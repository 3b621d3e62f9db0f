"""`grader gradebook OUT... --format F`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from grader import batch, gradebook
from grader.cli import options, report
from grader.gradebook.book import Book, Export, Row, build, load
from grader.lesson import loading
from grader.lesson.grades import write_atomically
from grader.semester import course_file, handed_in
from grader.semester.roster import folded
from grader.text import Lang, Text
from grader.text.errors import ExitCode, UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line, quoted


@click.command()
@click.argument("outs", metavar="OUT...", nargs=-1, required=True, type=options.PATH)
@click.option("--format", "format_", type=click.Choice(list(gradebook.FORMATS)), default="csv")
@click.option("--to", type=options.PATH, help="File to write, - for none but the screen.")
@click.option(
    "--export",
    type=options.PATH,
    help="Moodle's grading worksheet or Canvas's gradebook, to be filled in.",
)
@click.option("--column", help="Canvas's column, where it is not called as the lesson.")
@click.option(
    "--missing",
    type=click.Choice(["blank", "zero"]),
    default="blank",
    help="What an LMS gets for those who did not hand in.  [default: blank]",
)
@click.option("--course", type=options.PATH, help="course.toml.  [default: that of the batch]")
@click.option("--explain", metavar="NAME", help="Say where every cell of one student comes from.")
@options.jobs
@options.as_json
@options.lang
@batch.sigterm_like_ctrl_c()
def command(
    outs: tuple[Path, ...],
    format_: str,
    to: Path | None,
    export: Path | None,
    column: str | None,
    missing: str,
    course: Path | None,
    explain: str | None,
    jobs: int,
    as_json: bool,
    lang: Lang,
) -> int:
    """Write the grades in OUT as a gradebook; several OUTs, a lesson each, stand side by side.

    First brings the grades up to date with course.toml, without grading. csv, xlsx and jsonl say
    where every cell comes from; moodle and canvas fill in the LMS's own export; the two feedback
    formats are zips of reports that Moodle and Canvas take; gradescope is a zip with a
    results.json for each submission.
    """
    chosen = gradebook.FORMATS[format_]
    if len(outs) > 1 and chosen.one_lesson:
        raise UsageError("--format {format} is for one lesson; give one OUT.", format=format_)
    for out in outs:
        _bring_up_to_date(out, course, lang, jobs)
    classes = []
    for out in outs:
        given = handed_in.required(out).given.course
        classes.append(load(out, course_file.load(Path(given)) if given else None))
    if explain is not None:
        _explain(build(classes, lang), explain, lang, as_json)
        return ExitCode.OK
    written = chosen.write(classes, gradebook.Options(lang, export, column, missing))
    if to == Path("-"):
        sys.stdout.buffer.write(written.raw)
        return ExitCode.OK
    place = to or outs[0] / chosen.file
    with options.writing(place):
        write_atomically(place, written.raw)
    _print_written(place, written, lang, as_json)
    return ExitCode.OK


def _bring_up_to_date(out: Path, course: Path | None, lang: Lang, jobs: int) -> None:
    """Deadlines and extensions as course.toml has them now; pages where a grade changed."""
    record = handed_in.required(out)
    with batch.locked(out), batch.disk_errors(out):
        if course is not None:
            given = msgspec.structs.replace(record.given, course=str(course.resolve()))
            record = msgspec.structs.replace(record, given=given)
        late = batch.Deadlines(loading.load(record.lesson).spec, record)
        for name in late.unknown:
            click.echo(options.nobody(name).to(lang), err=True)
        if course is not None:
            handed_in.write(out, record)
        changed = [late.apply(path) for path in batch.grade_files(out)]
        if any(grade is not None for grade in changed):
            with Reporter(lang) as progress:
                report.write(out, lang, jobs, progress)


def _print_written(place: Path, written: Export, lang: Lang, as_json: bool) -> None:
    if as_json:
        facts = {
            "file": str(place),
            "students": written.rows,
            "unmatched": written.unmatched,
            "strangers": written.strangers,
        }
        options.print_json(facts)
        return
    click.echo(f"{place}: {written.rows}")
    unmatched = Text("not in the file")
    strangers = Text("not in the class, left as is")
    for names, label in ((written.unmatched, unmatched), (written.strangers, strangers)):
        if names:
            click.echo(f"{label.to(lang)} ({len(names)}): {options.listed(names)}", err=True)


def _explain(book: Book, name: str, lang: Lang, as_json: bool) -> None:
    row = _row(book, name)
    cells = list(zip(book.columns, row.cells, strict=True))
    if as_json:
        facts = {head: {"value": cell.value, "why": cell.why.to(lang)} for head, cell in cells}
        options.print_json(facts)
        return
    for head, cell in cells:
        value = "" if cell.value is None else one_line(str(cell.value))
        click.secho(f"{head}: {value}", bold=True)
        click.echo(f"    {one_line(cell.why.to(lang))}")


def _row(book: Book, name: str) -> Row:
    """The row of the one student whose id, name, address or submission is `name`."""
    submitted = [at for at, head in enumerate(book.columns) if head.endswith("submission")]

    def matches(row: Row) -> bool:
        student = row.student
        known = {folded(value) for value in (student.id, student.name, student.email)}
        return folded(name) in known or any(row.cells[at].value == name for at in submitted)

    exact = [row for row in book.rows if row.student.id == name]
    found = exact or [row for row in book.rows if matches(row)]
    if len(found) != 1:
        raise UsageError(
            "{found_count} students are called {name}; give an id of the gradebook.",
            found_count=len(found),
            name=quoted(name),
        )
    return found[0]
