"""`grader handout LESSON` and `grader handout --all`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli import options
from grader.handout.build import FORMATS, Order, build
from grader.lesson import loading
from grader.text import Lang, Text
from grader.text.errors import UsageError
from grader.text.progress import Reporter

BUILDING = Text("building the course")
WITHOUT_PDF = Text(
    "Without PDF: no Chromium, Chrome or Edge was found (Debian, Ubuntu: apt install chromium; "
    "or name its program in GRADER_CHROMIUM)."
)


@click.command()
@click.argument("lesson", required=False, type=options.LESSON)
@click.option("--all", "whole", is_flag=True, help="Build the whole course as a site.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(list(FORMATS)),
    multiple=True,
    help="May be given several times.  [default: html; with --all every one]",
)
@click.option("--out", type=options.PATH, default=Path("handouts"), show_default=True)
@click.option("--no-execute", is_flag=True, help="Do not run the cells of notebooks.")
@click.option(
    "--minutes",
    type=click.IntRange(min=1),
    help="Length of the lecture, for the timer of the slides.  [default: what the lecture says]",
)
@options.as_json
@options.lang
def command(
    lesson: str | None,
    whole: bool,
    formats: tuple[str, ...],
    out: Path,
    no_execute: bool,
    minutes: int | None,
    as_json: bool,
    lang: Lang,
) -> None:
    """Render LESSON's lecture: a page, slides, PDF or a notebook; or with --all the course."""
    if whole == bool(lesson):
        raise UsageError("Name a lesson, or say --all for the whole course.")
    chosen = [name for name in FORMATS if name in formats]
    if lesson:
        found = loading.load(lesson)
        order = Order(found, lang, chosen or ["html"], not no_execute, minutes=minutes)
        written = build(order, out)
    else:
        from grader.handout import pdf
        from grader.handout.site import site

        with Reporter(lang) as progress:
            if "pdf" in chosen:
                pdf.require()
            elif not chosen and pdf.engine() is None:
                progress.line(WITHOUT_PDF.to(lang))
            page = site(
                out,
                formats=chosen,
                execute=not no_execute,
                minutes=minutes,
                progress=lambda done, total: progress(done, total, BUILDING),
            )
        written = [page]
    if as_json:
        options.print_json([str(path) for path in written])
    else:
        for path in written:
            click.echo(path)
