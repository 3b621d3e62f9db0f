"""`grader report OUT`: the pages of a graded folder."""

from __future__ import annotations

from pathlib import Path

import click

from grader import batch
from grader.batch.pages import write_pages
from grader.cli import options
from grader.text import Lang, Text
from grader.text.errors import ExitCode
from grader.text.progress import Reporter

DAMAGED = Text("is damaged and left out; run grader batch again")
WRITING = Text("writing pages")


@click.command()
@click.argument("out", type=options.PATH)
@options.jobs
@options.lang
@batch.sigterm_like_ctrl_c()
def command(out: Path, jobs: int, lang: Lang) -> int:
    """Draw the pages of a graded folder again, from its grades only."""
    with Reporter(lang) as progress:
        click.echo(write(out, lang, jobs, progress))
        damaged = [path for path in batch.grade_files(out) if batch.read_grade(path) is None]
        for path in damaged:
            progress.line(f"{path.name}: {DAMAGED.to(lang)}")
    return ExitCode.UNGRADED if damaged else ExitCode.OK


def write(out: Path, lang: Lang, jobs: int, progress: Reporter) -> Path:
    """Draw the pages of all grades in `out`; the path of the class page."""
    return write_pages(out, lang, jobs, lambda done, total: progress(done, total, WRITING))
