"""`grader release DIR`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from grader.cli import options
from grader.cli.handout import FORMATS
from grader.text import Lang, Text, ru_number
from grader.text.errors import UsageError
from grader.text.progress import Reporter


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
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
@options.as_json()
@options.lang()
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
    try:
        with Reporter(lang) as progress:
            made = release(request, progress)
    except OSError as error:
        raise UsageError(options.unwritable(folder, error)) from error
    size = sum(file.bytes for file in made.files.values())
    if as_json:
        summary = {"folder": str(folder), "lessons": made.lessons, "files": list(made.files)}
        click.echo(json.dumps(summary | {"bytes": size}, ensure_ascii=False, indent=2))
    else:
        click.echo(_said(folder, len(made.files), size, made.lessons).to(lang))


def _said(folder: Path, files: int, size: int, lessons: list[str]) -> Text:
    listed, mega = ", ".join(lessons), size / 1e6
    return Text(
        en=f"{folder} is ready for students: {files:,} files, {mega:.1f} MB ({listed}); no "
        "reference, no withheld file and no seed is in it. Start with README.md.",
        ru=f"{folder}: всё готово для студентов, файлов {ru_number(files)}, "
        f"{f'{mega:.1f}'.replace('.', ',')} МБ ({listed}); эталонных решений, закрытых файлов и "
        "секретного зерна внутри нет. Начните с README.ru.md.",
    )
