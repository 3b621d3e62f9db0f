"""The help of commands in Russian: their texts from `help.ru.toml`, click's own words from here."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import click
import msgspec

_WORDS = {
    "Options": "Параметры",
    "Commands": "Команды",
    "[default: ": "[по умолчанию: ",
    "[required]": "[обязательно]",
}


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `help.ru.toml` holds."""

    commands: dict[str, str]
    """One line a command, for the list of all."""
    help: dict[str, str]
    """By the command as one types it; the empty one is `grader` itself."""
    options: dict[str, str]
    """By the English text."""


class _Formatter(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "Использование: ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(_WORDS.get(heading, heading))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        known = catalogue().options
        said = [(first, _said(known.get(second, second))) for first, second in rows]
        super().write_dl(said, col_max, col_spacing)


class Context(click.Context):
    """A context whose help is in Russian."""

    formatter_class = _Formatter


@cache
def catalogue() -> Catalogue:
    """`help.ru.toml`, read once."""
    raw = (Path(__file__).parent / "help.ru.toml").read_bytes()
    return msgspec.toml.decode(raw, type=Catalogue)


def translated(command: click.Command, path: str) -> click.Command:
    """A command, and those of its group, with Russian help; `path` is how one types it."""
    known = catalogue()
    russian = copy.copy(command)
    russian.context_class = Context
    russian.help = known.help.get(path, inspect.cleandoc(command.help or "")).strip()
    russian.short_help = known.commands.get(path, known.help.get(path, command.short_help))
    russian.params = [_translated(parameter) for parameter in command.params]
    if isinstance(russian, click.Group):
        russian.commands = {
            name: translated(inner, f"{path} {name}".strip())
            for name, inner in russian.commands.items()
        }
    return russian


def _translated(parameter: click.Parameter) -> click.Parameter:
    found = copy.copy(parameter)
    if isinstance(found, click.Option) and found.help:
        found.help = catalogue().options.get(found.help, found.help)
    return found


def _said(text: str) -> str:
    for english, russian in _WORDS.items():
        text = text.replace(english, russian)
    return text
