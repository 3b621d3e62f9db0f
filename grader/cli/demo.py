"""`grader demo`: sample submissions of every lesson, graded, with their pages."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from grader import batch
from grader.cli import options, show
from grader.cli.batch import Request, grade_folder
from grader.lesson import loading
from grader.lesson.grades import Status
from grader.text import Lang
from grader.text.errors import ExitCode, UsageError
from grader.text.progress import Reporter

MARKER = ".grader-demo"
"""Only a folder with this file in it is replaced."""
SEED = "demo"
"""Public on purpose: the demonstration's figures are the same for everybody."""


@click.command()
@click.option("--out", type=options.PATH, default=Path("demo"), show_default=True)
@options.jobs
@options.lang
@batch.sigterm_like_ctrl_c()
@batch.temporary_files()
def command(out: Path, jobs: int, lang: Lang) -> int:
    """Build sample submissions of every lesson, grade them and write the pages."""
    pages, worst = [], ExitCode.OK
    for name in loading.names():
        lesson = loading.load(name)
        if lesson.samples is None:
            continue
        submissions = out / name / "submissions"
        if submissions.exists() and not (submissions / MARKER).exists():
            raise UsageError(
                "{submissions} was not made by grader demo; choose another --out.",
                submissions=submissions,
            )
        shutil.rmtree(submissions, ignore_errors=True)
        submissions.mkdir(parents=True)
        (submissions / MARKER).touch()
        lesson.samples.make(submissions, lesson)
        graded = out / name / "graded"
        request = Request(name, submissions, graded, jobs, seed=SEED, force=True)
        with Reporter(lang) as progress:
            grades, page = grade_folder(request, lang, progress)
        click.secho(lesson.spec.title.to(lang), bold=True)
        show.many(grades, lesson.spec, lang)
        pages.append(page)
        if any(grade.status is Status.GRADER_FAULT for grade in grades):
            worst = ExitCode.UNGRADED
    if not pages:
        raise UsageError(
            "This copy of the course has no sample submissions: a students' package is made "
            "without them."
        )
    for page in pages:
        click.echo(f"{show.CLASS_PAGE.to(lang)}: {page.resolve()}")
    return worst
