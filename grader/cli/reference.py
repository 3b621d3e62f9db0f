"""`grader reference LESSON`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from grader import batch
from grader.cli import options, show
from grader.cli.grade import grade_one
from grader.lesson import loading
from grader.lesson.grades import to_json
from grader.text import Lang, Text
from grader.text.errors import Fault, UsageError
from grader.text.progress import Reporter


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.option("--train", is_flag=True, help="First train it anew with its own script.")
@options.data()
@options.seed()
@options.as_json()
@options.lang()
@batch.sigterm_like_ctrl_c()
def command(
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
            Text(
                en=f"This copy of the course has no reference solution of {lesson}: a students' "
                "package is made without them.",
                ru=f"В этой копии курса нет эталонного решения занятия {lesson}: в пакет для "
                "студентов они не входят.",
            )
        )
    if train:
        _train(found.reference, data, source)
    folder = found.reference
    if data not in (None, found.spec.data.names[0]):
        folder = found.reference / str(data)
    if not (folder / found.spec.intake.artefact).is_file():
        raise UsageError(
            Text(
                en=f"The reference solution of {lesson} has no artefact for {data}: expected "
                f"{folder / found.spec.intake.artefact}; make it with --train.",
                ru=f"В эталонном решении {lesson} нет файла для {data}: ожидался "
                f"{folder / found.spec.intake.artefact}; создайте его с --train.",
            )
        )
    with Reporter(lang) as progress:
        grade = grade_one(found, folder, data, source, seed, progress)
    if as_json:
        click.echo(to_json(grade).decode(), nl=False)
    else:
        show.one(grade, found.spec, lang)
    return show.exit_code([grade])


def _train(folder: Path, data: str | None, source: Path | None) -> None:
    command = [sys.executable, "train.py"]
    command += ["--data", data] if data else []
    command += ["--from", str(source.resolve())] if source else []
    # The script imports its neighbours; it is ours.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONSAFEPATH"}
    ended = subprocess.run(command, cwd=folder, env=environment, check=False)
    if ended.returncode:
        script, code = folder / "train.py", ended.returncode
        raise Fault(
            Text(
                en=f"{script} ended with exit code {code}; see above.",
                ru=f"{script} завершился с кодом {code}; см. выше.",
            )
        )
