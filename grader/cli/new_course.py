"""`grader new-course DIR`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from grader.cli import options
from grader.lesson import course
from grader.text import Lang, Text
from grader.text.errors import UsageError


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@options.lang()
def command(folder: Path, lang: Lang) -> None:
    """Start a course of your own in the new folder DIR, with one lesson that works."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            Text(
                en=f"{folder} exists and is not empty; choose a new folder.",
                ru=f"{folder} уже есть и не пуста; выберите новую папку.",
            )
        )
    left_out = shutil.ignore_patterns("__pycache__", "*.py[co]", ".*_cache")
    try:
        shutil.copytree(course.new_course(), folder, dirs_exist_ok=True, ignore=left_out)
    except OSError as error:
        raise UsageError(options.unwritable(folder, error)) from error
    said = Text(
        en=f"Created {folder}. Set GRADER_COURSE={folder.resolve()}, then try `grader reference "
        "rank_one`; README.md says how to go on.",
        ru=f"Создана папка {folder}. Задайте GRADER_COURSE={folder.resolve()} и попробуйте `grader "
        "reference rank_one`; дальше — по README.ru.md.",
    )
    click.echo(said.to(lang))
