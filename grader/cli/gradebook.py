"""`grader gradebook OUT... --format F`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import msgspec

from grader import batch, gradebook
from grader.cli import options
from grader.cli.report import write as write_pages
from grader.gradebook.book import Book, Export, Row, build, load
from grader.lesson import loading
from grader.lesson.grades import write_atomically
from grader.semester import course_file, handed_in
from grader.semester.roster import folded
from grader.text import Lang, Text
from grader.text.errors import ExitCode, UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line, quoted

MANY = 8


@click.command()
@click.argument("outs", metavar="OUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(list(gradebook.FORMATS)), default="csv")
@click.option(
    "--to", type=click.Path(path_type=Path), help="File to write, - for none but the screen."
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    help="Moodle's grading worksheet or Canvas's gradebook, to be filled in.",
)
@click.option("--column", help="Canvas's column, where it is not called as the lesson.")
@click.option(
    "--missing",
    type=click.Choice(["blank", "zero"]),
    default="blank",
    help="What an LMS gets for those who did not hand in.  [default: blank]",
)
@click.option(
    "--course",
    type=click.Path(path_type=Path),
    help="course.toml.  [default: that of the batch]",
)
@click.option("--explain", metavar="NAME", help="Say where every cell of one student comes from.")
@options.jobs()
@options.as_json()
@options.lang()
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
        raise UsageError(
            Text(
                en=f"--format {format_} is for one lesson; give one OUT.",
                ru=f"--format {format_} — для одного занятия; укажите одну папку OUT.",
            )
        )
    for out in outs:
        _bring_up_to_date(out, course, lang, jobs)
    classes = [load(out, _course(out)) for out in outs]
    if explain is not None:
        _explain(build(classes, lang), explain, lang, as_json)
        return ExitCode.OK
    found = chosen.write(classes, gradebook.Options(lang, export, column, missing))
    if to == Path("-"):
        sys.stdout.buffer.write(found.raw)
        return ExitCode.OK
    place = to or outs[0] / chosen.file
    try:
        write_atomically(place, found.raw)
    except OSError as error:
        raise UsageError(options.unwritable(place, error)) from error
    _say(place, found, lang, as_json)
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
                write_pages(out, lang, jobs, progress)


def _course(out: Path) -> course_file.Course | None:
    given = handed_in.required(out).given.course
    return course_file.load(Path(given)) if given else None


def _say(place: Path, found: Export, lang: Lang, as_json: bool) -> None:
    if as_json:
        facts = {
            "file": str(place),
            "students": found.rows,
            "unmatched": found.unmatched,
            "strangers": found.strangers,
        }
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    click.echo(f"{place}: {found.rows}")
    for names, words in (
        (found.unmatched, Text(en="not in the file", ru="не вошли в файл")),
        (
            found.strangers,
            Text(en="not in the class, left as is", ru="нет в группе, без изменений"),
        ),
    ):
        if names:
            shown = ", ".join(map(one_line, names[:MANY])) + (" …" if len(names) > MANY else "")
            click.echo(f"{words.to(lang)} ({len(names)}): {shown}", err=True)


def _explain(book: Book, name: str, lang: Lang, as_json: bool) -> None:
    row = _row(book, name)
    cells = list(zip(book.columns, row.cells, strict=True))
    if as_json:
        facts = {head: {"value": cell.value, "why": cell.why.to(lang)} for head, cell in cells}
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    for head, cell in cells:
        value = "" if cell.value is None else one_line(str(cell.value))
        click.secho(f"{head}: {value}", bold=True)
        click.echo(f"    {one_line(cell.why.to(lang))}")


def _row(book: Book, name: str) -> Row:
    wanted = folded(name)
    exact = [row for row in book.rows if row.student.id == name]
    submitted = [at for at, head in enumerate(book.columns) if head.endswith("submission")]
    found = exact or [
        row
        for row in book.rows
        if wanted
        in {folded(value) for value in (row.student.id, row.student.name, row.student.email)}
        or any(row.cells[at].value == name for at in submitted)
    ]
    if len(found) != 1:
        raise UsageError(
            Text(
                en=f"{len(found)} students are called {quoted(name)}; give an id of the gradebook.",
                ru=f"Студентов с именем {quoted(name)}: {len(found)}; укажите id из ведомости.",
            )
        )
    return found[0]
