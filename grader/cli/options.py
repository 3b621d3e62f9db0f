"""Options that several commands share, and what several commands say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from grader.text import Text, language, languages
from grader.text.errors import UsageError
from grader.text.untrusted import one_line, quoted

Command = Callable[..., Any]
PATH = click.Path(path_type=Path)
MANY = 8
"""Names that are listed in one line."""


class LessonName(click.ParamType):
    """The name of a lesson, which a shell can complete; commands say what is wrong with others."""

    name = "lesson"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from grader.lesson import loading

        names: list[str] = []
        with suppress(UsageError):  # GRADER_COURSE names no course
            names = loading.names()
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


LESSON = LessonName()

lang = click.option(
    "--lang",
    type=click.Choice(languages()),
    default=lambda: click.get_current_context().find_root().obj or language(),
    help="Language of sentences and pages.  [default: from the locale]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _warned(ctx: click.Context, param: click.Parameter, given: str | None) -> str | None:
    """The seed as given, after a warning on stderr where it is easily guessed."""
    from grader.data.seeds import ENVIRONMENT, weakness

    used = "" if ctx.resilient_parsing else given or os.environ.get(ENVIRONMENT)
    if used and (warning := weakness(used)):
        click.echo(warning.to(ctx.find_root().obj or language()), err=True)
    return given


seed = click.option(
    "--seed",
    callback=_warned,
    help="The instructor's secret that hidden data is made from.  "
    "[default: GRADER_HIDDEN_SEED, else a secret kept in the user's configuration folder]",
)
jobs = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=lambda: _available_cores(),
    help="Submissions graded at once.  [default: cores]",
)
trust = click.option(
    "--trust",
    is_flag=True,
    help="Grade other people's work although this machine does not isolate it well "
    "(grader doctor says why).",
)


def data(function: Command) -> Command:
    """`--data` and `--from`."""
    about = "Folder or archive with a copy of the data set."
    function = click.option("--from", "source", type=PATH, help=about)(function)
    return click.option("--data", help="Data set.  [default: the lesson's first]")(function)


def _writable(_: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuses a file that cannot be written before anything is measured."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        name = parameter.opts[0]
        raise UsageError(
            "{name} {path} is a folder or lies in none; give the file to write.",
            name=name,
            path=path,
        )
    return path


html = click.option(
    "--html", type=PATH, callback=_writable, help="Also write a report page to this file."
)
executed = click.option(
    "--executed",
    type=PATH,
    callback=_writable,
    help="Also write the executed copy of a notebook to this file.",
)


def print_json(value: object) -> None:
    """Print the result of a command for `--json`."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def nobody(name: str) -> Text:
    """Says that nobody in the class has the name `name` of course.toml."""
    return Text(
        "course.toml names {name}, but nobody in the class is called so; correct it.",
        name=quoted(name),
    )


def listed(names: Sequence[str]) -> str:
    """Some names on one line, the first `MANY` of them."""
    return ", ".join(map(one_line, names[:MANY])) + (" …" if names[MANY:] else "")


def unwritable(path: Path, error: OSError) -> Text:
    """Says why nothing can be written at `path`."""
    return Text(
        "{path} cannot be written ({strerror}); choose another place.",
        path=path,
        strerror=error.strerror,
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into a UsageError that says that nothing can be written at `path`."""
    try:
        yield
    except OSError as error:
        raise UsageError(unwritable(path, error)) from error


def _available_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
