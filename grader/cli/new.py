"""`grader new LESSON DIR`."""

from __future__ import annotations

from pathlib import Path

import click

from grader import ipynb
from grader import lesson as lessons
from grader.checking import write_marker
from grader.cli import options
from grader.errors import UsageError
from grader.text import Lang, Text


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--notebook", is_flag=True, help=f"Make a {ipynb.FILE} of what you are to write.")
@options.lang()
def command(lesson: str, folder: Path, notebook: bool, lang: Lang) -> None:
    """Copy the template of LESSON into the new folder DIR."""
    from grader.handout import starter, starter_notebook

    found = lessons.load(lesson)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            Text(
                en=f"{folder} exists and is not empty; choose a new folder.",
                ru=f"{folder} уже есть и не пуста; выберите новую папку.",
            )
        )
    try:
        for inside, content in (
            starter_notebook.files(found, lang) if notebook else starter.files(found)
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
    en=f"Open {ipynb.FILE} in Jupyter, run and change its cells, then `grader check`.",
    ru=f"Откройте {ipynb.FILE} в Jupyter, выполняйте и меняйте ячейки, затем `grader check`.",
)
