"""`grader similar OUT`: pairs of submissions that are worth a look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click
import msgspec
from rich.table import Table

from grader import batch
from grader.cli import options, show
from grader.lesson import loading
from grader.lesson.grades import write_atomically
from grader.text import Lang, Text
from grader.text.errors import ExitCode, UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import name as short_name

if TYPE_CHECKING:
    from grader.similarity.pairs import Comparison

MAX_ROWS = 20
READING = Text("reading submissions")


class _HandedIn(msgspec.Struct):
    name: str
    students: list[str] = []


class _Manifest(msgspec.Struct):
    """The part of `handed_in.json` that says who handed in what."""

    submissions: list[_HandedIn] = []


@click.command()
@click.argument("out", type=options.PATH)
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Show what is shared for so many pairs.",
)
@options.jobs
@options.as_json
@options.lang
@batch.sigterm_like_ctrl_c()
def command(out: Path, top: int, jobs: int, as_json: bool, lang: Lang) -> int:
    """Compare the submissions graded in OUT: code, weights, mistakes on hidden data.

    Writes OUT/similar.html, where pairs are ranked and what they share stands side by side, and
    OUT/similar.json. A high number is a reason to look, never a verdict.
    """
    from grader.report import similar
    from grader.similarity import pairs

    lesson = loading.load(batch.first_grade(out).lesson)
    read = ((path, batch.read_grade(path)) for path in batch.grade_files(out))
    stems = {grade.submission.name: path for path, grade in read if grade is not None}
    if not any(batch.beside(path, "evidence").exists() for path in stems.values()):
        raise UsageError(
            "{out} keeps nothing to compare: no submission in it could be opened, or an earlier "
            "version graded it; in that case run grader batch again.",
            out=out,
        )
    with batch.locked(out), Reporter(lang) as progress:
        found = pairs.compare(
            [batch.beside(path, "evidence") for path in stems.values()],
            lesson,
            names=list(stems),
            students=_students(out),
            top=top,
            jobs=jobs,
            progress=lambda done, total: progress(done, total, READING),
        )
        pages = {name: batch.beside(path, "reports") for name, path in stems.items()}
        hrefs = {
            name: f"reports/{quote(page.name)}" for name, page in pages.items() if page.exists()
        }
        raw = msgspec.json.format(msgspec.json.encode(found), indent=2)
        html = similar.page(found, lesson.spec.title, lang, hrefs)
        with batch.disk_errors(out):
            write_atomically(out / "similar.json", raw + b"\n")
            write_atomically(out / "similar.html", html.encode("utf-8"))
    if as_json:
        click.echo(raw.decode("utf-8"))
    else:
        _show(found, lang)
        click.echo(out / "similar.html")
    return ExitCode.OK


def _students(out: Path) -> dict[str, list[str]]:
    """Who handed in what, where it is known. Raises UsageError for a damaged file: without it,
    work of one group would be shown as similar."""
    path = out / "handed_in.json"
    if not path.exists():
        return {}
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            "{path} cannot be read ({error}); run grader batch again, or delete it.",
            path=path,
            error=error,
        ) from error
    return {one.name: one.students for one in manifest.submissions}


def _show(found: Comparison, lang: Lang) -> None:
    console = show.wide_console()
    if found.pairs:
        table = Table(box=None, pad_edge=False)
        heads = Text("number code weights mistakes").to(lang)
        for head in heads.split():
            table.add_column(head, justify="right")
        table.add_column(Text("pair").to(lang))
        for pair in found.pairs[:MAX_ROWS]:
            shares = (pair.number, pair.code, pair.weights, pair.mistakes)
            both = f"{short_name(pair.a)}  ·  {short_name(pair.b)}"
            table.add_row(*(f"{100 * share:.0f}" for share in shares), both)
        console.print(table)
    summary = Text(
        "{pairs_listed:,} of {pairs_in_all:,} pairs are worth a look ({compared:,} submissions "
        "compared, {without_count:,} left nothing to compare). Similar work has many reasons: "
        "read what is shared, and ask.",
        pairs_listed=found.pairs_listed,
        pairs_in_all=found.pairs_in_all,
        compared=found.compared,
        without_count=len(found.without),
    )
    console.print(summary.to(lang), soft_wrap=True)
