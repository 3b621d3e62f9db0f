"""`grader data list`, `grader data get` and `grader data add`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli import options
from grader.text import Lang, Text
from grader.text.progress import Reporter


@click.group()
def command() -> None:
    """List the data sets, download or prepare one."""


@command.command("list")
@options.as_json
@options.lang
def list_(as_json: bool, lang: Lang) -> None:
    """What data sets there are, and which are ready."""
    from grader.data import DATASETS

    found = DATASETS.values()
    if as_json:
        rows = [
            {
                "name": info.name,
                "title": info.title.to(lang),
                "keyword": info.keyword,
                "licence": info.license,
                "size": info.size.to(lang),
                "address": info.address,
                "needs_download": info.needs_download,
                "prepared": info.is_prepared(),
            }
            for info in found
        ]
        options.print_json(rows)
        return
    for info in found:
        mark = "✓" if info.is_prepared() else "·"
        click.echo(f"{mark} {info.name}  —  {info.title.to(lang)}")
        click.echo(f"    {info.size.to(lang)}; {info.license}; {info.address}")
    legend = Text(
        "✓ ready   · made or downloaded by `grader data get NAME`, or read with --from PATH"
    )
    click.echo(legend.to(lang))


@command.command("get")
@click.argument("name")
@click.option("--from", "source", type=options.PATH, help="A copy that is already on disk.")
@options.lang
def get(name: str, source: Path | None, lang: Lang) -> None:
    """Prepare the data set NAME: synthesize it, download it, or read it from --from PATH."""
    from grader import data

    with Reporter(lang) as progress:
        parts = data.get(name, source, progress)
    for part, found in parts.items():
        click.echo(f"{part}: {found.summary.to(lang)}")


@command.command("add")
@click.argument("folder", metavar="DIR", type=options.PATH)
@options.lang
def add(folder: Path, lang: Lang) -> None:
    """Take prepared data from DIR, the folder data/ of a release, into the cache."""
    from grader.data import cache

    names = cache.add(folder)
    for name in names:
        click.echo(name)
    done = Text("Added: {names_count}", names_count=len(names))
    click.echo(done.to(lang))
