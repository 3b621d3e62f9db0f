"""`grader report OUT`: the pages of a graded folder."""

from __future__ import annotations

from pathlib import Path

import click

from grader import batch
from grader.batch.pages import grade_files, write_pages
from grader.cli import options
from grader.lesson.grades import Grade
from grader.text import Lang, Text
from grader.text.errors import ExitCode, UsageError
from grader.text.progress import Reporter

DAMAGED = Text(
    en="is damaged and left out; run grader batch again", ru="повреждён и пропущен; повторите batch"
)
WRITING = Text(en="writing pages", ru="страницы")


@click.command()
@click.argument("out", type=options.PATH)
@options.jobs
@options.lang
@batch.sigterm_like_ctrl_c()
def command(out: Path, jobs: int, lang: Lang) -> int:
    """Draw the pages of a graded folder again, from its grades only."""
    with Reporter(lang) as progress:
        click.echo(write(out, lang, jobs, progress))
        damaged = [path for path in grade_files(out) if batch.read_grade(path) is None]
        for path in damaged:
            progress.line(f"{path.name}: {DAMAGED.to(lang)}")
    return ExitCode.UNGRADED if damaged else ExitCode.OK


def write(out: Path, lang: Lang, jobs: int, progress: Reporter) -> Path:
    """Draw the pages of all grades in `out`; the path of the class page."""
    return write_pages(out, lang, jobs, lambda done, total: progress(done, total, WRITING))


def grades(out: Path) -> dict[Path, Grade]:
    """Every readable grade in `out` by its path. Raises UsageError when there is none."""
    read = ((path, batch.read_grade(path)) for path in grade_files(out))
    found = {path: grade for path, grade in read if grade is not None}
    if not found:
        raise UsageError(
            en=f"{out} holds no grades; expected {out / 'grades'} with JSON files.",
            ru=f"В {out} нет оценок; ожидалась папка {out / 'grades'} с файлами JSON.",
        )
    return found
