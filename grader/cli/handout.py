"""`grader handout LESSON` and `grader handout --all`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from grader.cli import options
from grader.handout.build import FORMATS, Order, build
from grader.lesson import loading
from grader.text import Lang, Text
from grader.text.errors import UsageError
from grader.text.progress import Reporter

BUILDING = Text(en="building the course", ru="сборка курса")
WITHOUT_PDF = Text(
    en="Without PDF: no Chromium, Chrome or Edge was found (Debian, Ubuntu: apt install chromium; "
    "or name its program in GRADER_CHROMIUM).",
    ru="Без PDF: не найден Chromium, Chrome или Edge (Debian, Ubuntu: apt install chromium; или "
    "укажите программу в GRADER_CHROMIUM).",
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
@click.option("--out", type=click.Path(path_type=Path), default=Path("handouts"), show_default=True)
@click.option("--no-execute", is_flag=True, help="Do not run the cells of notebooks.")
@click.option(
    "--minutes",
    type=click.IntRange(min=1),
    help="Length of the lecture, for the timer of the slides.  [default: what the lecture says]",
)
@options.as_json()
@options.lang()
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
        raise UsageError(
            Text(
                en="Name a lesson, or say --all for the whole course.",
                ru="Назовите занятие или укажите --all для всего курса.",
            )
        )
    if whole:
        written = [_course(out, lang, execute=not no_execute, formats=formats, minutes=minutes)]
    else:
        order = (str(lesson), lang, formats or ("html",), out)
        written = _lesson(*order, execute=not no_execute, minutes=minutes)
    if as_json:
        click.echo(json.dumps([str(path) for path in written], ensure_ascii=False, indent=2))
    else:
        for path in written:
            click.echo(path)


def _lesson(
    name: str,
    lang: Lang,
    formats: tuple[str, ...],
    out: Path,
    *,
    execute: bool,
    minutes: int | None,
) -> list[Path]:
    chosen = [kind for kind in FORMATS if kind in formats]
    return build(Order(loading.load(name), lang, chosen, execute, minutes=minutes), out)


def _course(
    out: Path, lang: Lang, *, execute: bool, formats: tuple[str, ...], minutes: int | None
) -> Path:
    from grader.handout import pdf
    from grader.handout.site import site

    chosen = [kind for kind in FORMATS if kind in formats]
    with Reporter(lang) as progress:
        if "pdf" in chosen:
            pdf.require()
        elif not chosen and pdf.engine() is None:
            progress.line(WITHOUT_PDF.to(lang))
        return site(
            out,
            formats=chosen,
            execute=execute,
            minutes=minutes,
            progress=lambda done, total: progress(done, total, BUILDING),
        )
