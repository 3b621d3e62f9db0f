"""`grader report OUT`."""

from __future__ import annotations

from pathlib import Path

import click

from grader import batch
from grader import lesson as lessons
from grader.cli import options
from grader.cli.progress import Reporter
from grader.errors import ExitCode, UsageError
from grader.text import Lang, Text

DAMAGED = Text(
    en="is damaged and left out; run grader batch again", ru="повреждён и пропущен; повторите batch"
)
WRITING = Text(en="writing pages", ru="страницы")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@options.jobs()
@options.lang()
def command(out: Path, jobs: int, lang: Lang) -> int:
    """Draw the pages of a graded folder again, from its grades only."""
    with Reporter(lang) as progress:
        click.echo(write(out, lang, jobs, progress))
        damaged = [path for path in grade_files(out) if batch.read_grade(path) is None]
        for path in damaged:
            progress.line(f"{path.name}: {DAMAGED.to(lang)}")
    return ExitCode.UNGRADED if damaged else ExitCode.OK


def write(out: Path, lang: Lang, jobs: int, progress: Reporter) -> Path:
    """Pages of all grades in `out`; path of the class page."""
    from grader import report

    grades = (batch.read_grade(path) for path in grade_files(out))
    first = next((grade for grade in grades if grade is not None), None)
    if first is None:
        raise UsageError(
            Text(
                en=f"{out} holds no grades; expected {out / 'grades'} with JSON files.",
                ru=f"В {out} нет оценок; ожидалась папка {out / 'grades'} с файлами JSON.",
            )
        )
    spec = lessons.load(first.lesson).spec
    return report.write(
        out,
        spec,
        lang,
        jobs=jobs,
        progress=lambda done, total: progress(done, total, WRITING),
    )


def grade_files(out: Path) -> list[Path]:
    return sorted(path for path in (out / "grades").glob("*.json") if path.name[0] != ".")
