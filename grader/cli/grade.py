"""`grader grade LESSON PATH`, and `grader reference LESSON`, which grades our own solution."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from grader import batch, grading
from grader.cli import keep_fault, options, show
from grader.intake import require_submission, submission_name
from grader.lesson import loading
from grader.lesson.grades import Grade, write_atomically
from grader.sandbox.isolation.levels import require_for_others
from grader.text import Lang
from grader.text.errors import Fault, UsageError
from grader.text.progress import Reporter


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.argument("path", type=options.PATH)
@options.data
@options.seed
@options.trust
@options.html
@options.executed
@options.as_json
@options.lang
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
        grade = _grade(found, path, data, source, seed, progress, trust=trust, executed=executed)
    if html is not None:
        from grader import report

        write_atomically(html.absolute(), report.student_page(grade, found.spec, lang).encode())
    show.one(grade, found.spec, lang, as_json=as_json)
    return show.exit_code([grade])


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.option("--train", is_flag=True, help="First train it anew with its own script.")
@options.data
@options.seed
@options.as_json
@options.lang
@batch.sigterm_like_ctrl_c()
def reference(
    lesson: str,
    train: bool,
    data: str | None,
    source: Path | None,
    seed: str | None,
    as_json: bool,
    lang: Lang,
) -> int:
    """Grade the reference solution of LESSON on the hidden data.

    With --data, the reference trained for that data set is graded.
    """
    found = loading.load(lesson)
    if not found.reference.is_dir():
        raise UsageError(
            "This copy of the course has no reference solution of {lesson}: a students' package "
            "is made without them.",
            lesson=lesson,
        )
    if train:
        _train(found.reference, data, source)
    folder = found.reference
    if data not in (None, found.spec.data.names[0]):
        folder = found.reference / str(data)
    artefact = folder / found.spec.intake.artefact
    if not artefact.is_file():
        raise UsageError(
            "The reference solution of {lesson} has no artefact for {data}: expected {artefact}; "
            "make it with --train.",
            lesson=lesson,
            data=data,
            artefact=artefact,
        )
    with Reporter(lang) as progress:
        grade = _grade(found, folder, data, source, seed, progress)
    show.one(grade, found.spec, lang, as_json=as_json)
    return show.exit_code([grade])


def _grade(
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
    """Grade one submission on the hidden data, in a process of its own.

    The executed copy of a notebook goes to `executed`. Raises UsageError where this machine does
    not isolate other people's work well, unless `trust`.
    """
    from grader.data import hidden_seed

    secret, _ = hidden_seed(seed)
    with batch.temporary_files():
        require_for_others(trust)
        examination = grading.prepare(
            lesson, "hidden", data=data, source=source, seed=secret, progress=progress
        )
        outcome = batch.grade_one(examination, path.resolve(), submission_name(path))
    if outcome.fault:
        keep_fault(outcome.fault)
    if executed is not None and outcome.notebook:
        write_atomically(executed.absolute(), outcome.notebook)
    return outcome.grade


def _train(folder: Path, data: str | None, source: Path | None) -> None:
    """Run the reference's own train.py. Raises Fault when it fails."""
    script = [sys.executable, "train.py"]
    script += ["--data", data] if data else []
    script += ["--from", str(source.resolve())] if source else []
    # The script imports modules that lie beside it; it is ours.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONSAFEPATH"}
    ended = subprocess.run(script, cwd=folder, env=environment, check=False)
    if ended.returncode:
        path, code = folder / "train.py", ended.returncode
        raise Fault("{path} ended with exit code {code}; see above.", path=path, code=code)
