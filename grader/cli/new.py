"""`grader new LESSON DIR`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli import options
from grader.grading.check import write_marker
from grader.lesson import loading
from grader.text import Lang, Text, notebooks
from grader.text.errors import UsageError


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--notebook", is_flag=True, help=f"Make a {notebooks.FILE} of what you are to write.")
@options.lang()
def command(lesson: str, folder: Path, notebook: bool, lang: Lang) -> None:
    """Copy the template of LESSON into the new folder DIR."""
    from grader.handout import starter

    found = loading.load(lesson)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            Text(
                en=f"{folder} exists and is not empty; choose a new folder.",
                ru=f"{folder} уже есть и не пуста; выберите новую папку.",
            )
        )
    try:
        for inside, content in (
            starter.notebook_files(found, lang) if notebook else starter.files(found)
        ):
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        write_marker(folder, lesson)
    except OSError as error:
        raise UsageError(options.unwritable(folder, error)) from error
    created = "Создана папка" if lang == "ru" else "Created"
    step = _NOTEBOOK if notebook else found.spec.next_step
    click.echo(f"{created} {folder}. {step.to(lang)}")


_NOTEBOOK = Text(
    en=f"Open {notebooks.FILE} in Jupyter, run and change its cells, then `grader check`.",
    ru=f"Откройте {notebooks.FILE} в Jupyter, выполняйте и меняйте ячейки, затем `grader check`.",
)
