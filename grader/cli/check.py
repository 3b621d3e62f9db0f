"""`grader check [DIR]`."""

from __future__ import annotations

from pathlib import Path

import click

from grader import checking
from grader import lesson as lessons
from grader.cli import options, show
from grader.cli.progress import Reporter
from grader.grades import Status, to_json, write_atomically
from grader.text import Lang
from grader.untrusted import one_line


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--lesson", help="Lesson, where the folder does not say it.")
@options.data()
@options.html()
@options.as_json()
@options.lang()
def command(
    folder: Path,
    lesson: str | None,
    data: str | None,
    source: Path | None,
    html: Path | None,
    as_json: bool,
    lang: Lang,
) -> int:
    """Check your own work in DIR (default: here) on the public data.

    Shows every public check with a hint, the measurements and an estimate of the score. The
    graded score is taken on hidden data and will differ a little.
    """
    with Reporter(lang) as progress:
        grade = checking.check(folder, lesson=lesson, data=data, source=source, progress=progress)
    spec = lessons.load(grade.lesson).spec
    if html is not None:
        from grader import report

        write_atomically(html.absolute(), report.student_page(grade, spec, lang).encode())
    if as_json:
        click.echo(to_json(grade).decode(), nl=False)
    else:
        show.one(grade, spec, lang, estimate=True)
        for line in checking.other_figures(folder, spec) if grade.status is Status.GRADED else ():
            click.echo(one_line(line.to(lang)))
        if grade.status is Status.REJECTED:
            click.echo()
            click.echo(spec.next_step.to(lang))
    return show.exit_code([grade])
