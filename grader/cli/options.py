"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from grader.text import LANGS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def lang() -> Decorator:
    from grader.cli import language

    return click.option(
        "--lang",
        type=click.Choice(LANGS),
        default=lambda: language(),
        help="Language of sentences and pages.  [default: from the locale]",
    )


def as_json() -> Decorator:
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def data() -> Decorator:
    """`--data` and `--from`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function = click.option(
            "--from",
            "source",
            type=click.Path(path_type=Path),
            help="Folder or archive with a copy of the data set.",
        )(function)
        return click.option("--data", help="Data set.  [default: the lesson's first]")(function)

    return decorate


def seed() -> Decorator:
    return click.option(
        "--seed",
        help="The instructor's secret that hidden data is made from.  "
        "[default: GRADER_HIDDEN_SEED, else a secret kept in the user's configuration folder]",
    )


def jobs() -> Decorator:
    return click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        default=lambda: available_cores(),
        help="Submissions graded at once.  [default: cores]",
    )


def available_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
