"""`grader export gradescope LESSON`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli import options
from grader.lesson import loading
from grader.text import Lang, Text
from grader.text.errors import UsageError

SHOWN = ("visible", "after_due_date", "after_published", "hidden")


@click.group()
def command() -> None:
    """Make the autograder of a lesson for a platform."""


@command.command()
@click.argument("lesson")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Zip to write.  [default: gradescope-LESSON.zip]"
)
@click.option(
    "--show",
    type=click.Choice(SHOWN),
    default="after_due_date",
    show_default=True,
    help="When students see what is measured on hidden data; until then the total is hidden too.",
)
@click.option("--data", help="Data set.  [default: the lesson's first]")
@options.seed()
@options.trust()
@options.lang()
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
    import msgspec

    from grader.data import hidden_seed
    from grader.release import Platform, export

    found = loading.load(lesson)
    if data is not None and data not in found.spec.data.names:
        raise UsageError(
            Text(
                en=f"The lesson {lesson} does not use the data set {data!r}; it uses "
                f"{', '.join(found.spec.data.names)}.",
                ru=f"Занятие {lesson} не использует набор данных {data!r}; подойдут "
                f"{', '.join(found.spec.data.names)}.",
            )
        )
    target = out or Path(f"gradescope-{lesson}.zip")
    platform = msgspec.convert(
        {"lesson": lesson, "lang": lang, "shown": show, "data": data, "trust": trust}, Platform
    )
    try:
        size = export(found, platform, hidden_seed(seed)[0], target)
    except OSError as error:
        raise UsageError(options.unwritable(target, error)) from error
    click.echo(_said(target, size).to(lang))


def _said(target: Path, size: int) -> Text:
    return Text(
        en=f"{target} is written ({size / 1e6:.1f} MB). Upload it under Configure Autograder; it "
        "holds the seed of the hidden data, so give it to nobody else.",
        ru=f"{target} записан ({f'{size / 1e6:.1f}'.replace('.', ',')} МБ). Загрузите его в "
        "Configure Autograder; внутри секретное зерно скрытых данных: никому больше не давайте.",
    )
