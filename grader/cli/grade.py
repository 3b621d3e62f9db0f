"""`grader grade LESSON PATH`."""

from __future__ import annotations

from pathlib import Path

import click

from grader import batch, grading
from grader.cli import keep_fault, options, show
from grader.intake import Candidate, require_submission, submission_name
from grader.lesson import loading
from grader.lesson.grades import Grade, to_json, write_atomically
from grader.text import Lang
from grader.text.progress import Reporter


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.argument("path", type=click.Path(path_type=Path))
@options.data()
@options.seed()
@options.trust()
@options.html()
@options.executed()
@options.as_json()
@options.lang()
@batch.sigterm_like_ctrl_c()
def command(
    lesson: str,
    path: Path,
    data: str | None,
    source: Path | None,
    seed: str | None,
    trust: bool,
    html: Path | None,
    executed: Path | None,
    as_json: bool,
    lang: Lang,
) -> int:
    """Grade the submission at PATH (a folder, an archive or a notebook) on the hidden data."""
    found = loading.load(lesson)
    require_submission(path)
    with Reporter(lang) as progress:
        grade = grade_one(found, path, data, source, seed, progress, trust=trust, executed=executed)
    if html is not None:
        from grader import report

        write_atomically(html.absolute(), report.student_page(grade, found.spec, lang).encode())
    if as_json:
        click.echo(to_json(grade).decode(), nl=False)
    else:
        show.one(grade, found.spec, lang)
    return show.exit_code([grade])


def grade_one(
    lesson: loading.Lesson,
    path: Path,
    data: str | None,
    source: Path | None,
    seed: str | None,
    progress: Reporter,
    *,
    trust: bool = True,
    executed: Path | None = None,
) -> Grade:
    """One submission on the hidden data, in a process of its own. Raises UsageError where other
    people's work is not isolated well, unless `trust`. The executed copy of a notebook goes to
    `executed`."""
    from grader.data import hidden_seed

    secret, _ = hidden_seed(seed)
    outcomes: list[batch.Outcome] = []
    candidate = Candidate(submission_name(path), path.resolve())
    with batch.temporary_files():
        options.require_isolation(trust)
        examination = grading.prepare(
            lesson, "hidden", data=data, source=source, seed=secret, progress=progress
        )
        batch.run(examination, [candidate], jobs=1, on_grade=outcomes.append)
    if outcomes[0].fault:
        keep_fault(outcomes[0].fault)
    if executed is not None and outcomes[0].notebook:
        write_atomically(executed.absolute(), outcomes[0].notebook)
    return outcomes[0].grade
