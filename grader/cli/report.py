"""`grader report OUT`."""

from __future__ import annotations

from pathlib import Path

import click

from grader import lesson as lessons
from grader.cli import options
from grader.cli.progress import Reporter
from grader.errors import UsageError
from grader.text import Lang, Text

WRITING = Text(en="writing pages", ru="страницы")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@options.jobs()
@options.lang()
def command(out: Path, jobs: int, lang: Lang) -> None:
    """Draw the pages of a graded folder again, from its grades only."""
    with Reporter(lang) as progress:
        click.echo(write(out, lang, jobs, progress))


def write(out: Path, lang: Lang, jobs: int, progress: Reporter) -> Path:
    """Pages of all grades in `out`; path of the class page."""
    from grader import batch, report

    grades = (batch.read_grade(path) for path in sorted((out / "grades").glob("*.json")))
    first = next((grade for grade in grades if grade is not None), None)
    if first is None:
        raise UsageError(f"{out} holds no grades; expected {out / 'grades'} with JSON files.")
    spec = lessons.load(first.lesson).spec
    return report.write(
        out,
        spec,
        lang,
        jobs=jobs,
        progress=lambda done, total: progress(done, total, WRITING),
    )
