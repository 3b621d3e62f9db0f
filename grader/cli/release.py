"""What leaves the instructor's machine: `grader release DIR` and `grader export gradescope`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from grader.cli import options
from grader.cli.handout import FORMATS
from grader.lesson import loading
from grader.text import Lang, Text
from grader.text.progress import Reporter

SHOWN = ("visible", "after_due_date", "after_published", "hidden")
"""Gradescope's words for when students see something."""


@click.command()
@click.argument("folder", metavar="DIR", type=options.PATH)
@click.option(
    "--lesson", "chosen", multiple=True, help="May be given several times.  [default: all]"
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    default=("html",),
    show_default=True,
    help="Of the handouts; may be given several times.",
)
@click.option("--no-handouts", is_flag=True, help="Leave the handouts out.")
@click.option("--with-data", is_flag=True, help="Also the prepared public data (large).")
@options.as_json
@options.lang
def command(
    folder: Path,
    chosen: tuple[str, ...],
    formats: tuple[str, ...],
    no_handouts: bool,
    with_data: bool,
    as_json: bool,
    lang: Lang,
) -> None:
    """Make in DIR what students get: the package, starters, handouts.

    Without reference solutions, samples, what lessons withhold, and the seed of the hidden data;
    all files are searched for them before DIR is written. An earlier release is replaced.
    """
    from grader.release import ReleaseRequest, release

    request = ReleaseRequest(folder, chosen, () if no_handouts else formats, with_data)
    with options.writing(folder), Reporter(lang) as progress:
        made = release(request, progress)
    files, size = len(made.files), sum(file.bytes for file in made.files.values())
    if as_json:
        summary = {"folder": str(folder), "lessons": made.lessons, "files": list(made.files)}
        options.print_json(summary | {"bytes": size})
        return
    listed = ", ".join(made.lessons)
    ready = Text(
        "{folder} is ready for students: {files:,} files, {megabytes:.1f} MB ({listed}); no "
        "reference, no withheld file and no seed is in it. Start with README.md.",
        folder=folder,
        files=files,
        megabytes=size / 1e6,
        listed=listed,
    )
    click.echo(ready.to(lang))


@click.group()
def export() -> None:
    """Make the autograder of a lesson for a platform."""


@export.command()
@click.argument("lesson")
@click.option("--out", type=options.PATH, help="Zip to write.  [default: gradescope-LESSON.zip]")
@click.option(
    "--show",
    type=click.Choice(SHOWN),
    default="after_due_date",
    show_default=True,
    help="When students see what is measured on hidden data; until then the total is hidden too.",
)
@click.option("--data", help="Data set.  [default: the lesson's first]")
@options.seed
@options.trust
@options.lang
def gradescope(
    lesson: str,
    out: Path | None,
    show: str,
    data: str | None,
    seed: str | None,
    trust: bool,
    lang: Lang,
) -> None:
    """Make the zip that a programming assignment on Gradescope takes as its autograder.

    It holds the seed of the hidden data: give it to nobody but Gradescope.
    """
    from grader.data import hidden_seed
    from grader.release import Platform
    from grader.release import export as write_zip

    found = loading.load(lesson)
    found.data_set(data)
    target = out or Path(f"gradescope-{lesson}.zip")
    platform = msgspec.convert(
        {"lesson": lesson, "lang": lang, "shown": show, "data": data, "trust": trust}, Platform
    )
    with options.writing(target):
        size = write_zip(found, platform, hidden_seed(seed)[0], target)
    written = Text(
        "{target} is written ({megabytes:.1f} MB). Upload it under Configure Autograder; it holds "
        "the seed of the hidden data, so give it to nobody else.",
        target=target,
        megabytes=size / 1e6,
    )
    click.echo(written.to(lang))
