"""`grader lessons`."""

from __future__ import annotations

import click

from grader.cli import options
from grader.lesson import loading
from grader.text import Lang


@click.command()
@options.as_json
@options.lang
def command(as_json: bool, lang: Lang) -> None:
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
    label = "Баллы" if lang == "ru" else "Score"
    for spec in found:
        click.echo(f"{spec.name}  —  {spec.title.to(lang)}")
        click.echo(f"    {spec.summary.to(lang)}")
        click.echo(f"    {label}: {spec.formula}  (max {spec.max_score:g})")
