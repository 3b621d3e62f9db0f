"""`grader lessons`; `grader new LESSON DIR` starts one, `grader new-course DIR` a course."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from grader.cli import options
from grader.lesson import course, loading
from grader.text import Lang, Text, notebooks
from grader.text.errors import UsageError


@click.command()
@options.as_json
@options.lang
def lessons(as_json: bool, lang: Lang) -> None:
    """List the lessons of the course."""
    found = [lesson.spec for lesson in loading.every()]
    if as_json:
        rows = [
            {
                "name": spec.name,
                "title": spec.title.to(lang),
                "summary": spec.summary.to(lang),
                "max_score": spec.max_score,
                "formula": spec.formula,
                "data": spec.data.names,
            }
            for spec in found
        ]
        options.print_json(rows)
        return
    label = Text("Score").to(lang)
    for spec in found:
        click.echo(f"{spec.name}  —  {spec.title.to(lang)}")
        click.echo(f"    {spec.summary.to(lang)}")
        click.echo(f"    {label}: {spec.formula}  (max {spec.max_score:g})")


@click.command()
@click.argument("lesson", type=options.LESSON)
@click.argument("folder", metavar="DIR", type=options.PATH)
@click.option("--notebook", is_flag=True, help=f"Make a {notebooks.FILE} of what you are to write.")
@options.lang
def command(lesson: str, folder: Path, notebook: bool, lang: Lang) -> None:
    """Copy the template of LESSON into the new folder DIR."""
    from grader.grading.check import write_marker
    from grader.handout import starter

    found = loading.load(lesson)
    _require_new(folder)
    with options.writing(folder):
        files = starter.notebook_files(found, lang) if notebook else starter.files(found)
        for inside, content in files:
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        write_marker(folder, lesson)
    step = found.spec.next_step
    if notebook:
        step = Text(
            "Open {file} in Jupyter, run and change its cells, then `grader check`.",
            file=notebooks.FILE,
        )
    created = Text("Created {folder}. {step}", folder=folder, step=step)
    click.echo(created.to(lang))


@click.command()
@click.argument("folder", metavar="DIR", type=options.PATH)
@options.lang
def new_course(folder: Path, lang: Lang) -> None:
    """Start a course of your own in the new folder DIR, with one lesson that works."""
    _require_new(folder)
    left_out = shutil.ignore_patterns("__pycache__", "*.py[co]", ".*_cache")
    with options.writing(folder):
        shutil.copytree(course.new_course(), folder, dirs_exist_ok=True, ignore=left_out)
    created = Text(
        "Created {folder}. Set GRADER_COURSE={resolve}, then try `grader reference rank_one`; "
        "README.md says how to go on.",
        folder=folder,
        resolve=folder.resolve(),
    )
    click.echo(created.to(lang))


def _require_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("{folder} exists and is not empty; choose a new folder.", folder=folder)
