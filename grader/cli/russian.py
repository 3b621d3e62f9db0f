"""Click's own words in Russian: help, whose texts are in `help.ru.toml`, and errors."""

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
    """Help texts by command as typed; the empty command is `grader` itself."""
    options: dict[str, str]
    """Russian texts by English text."""


class _Formatter(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "Использование: ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(_WORDS.get(heading, heading))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        translated = []
        for first, second in rows:
            second = catalogue().options.get(second, second)
            for english, russian in _WORDS.items():
                second = second.replace(english, russian)
            translated.append((first, second))
        super().write_dl(translated, col_max, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


@cache
def catalogue() -> Catalogue:
    """`help.ru.toml`, read once."""
    raw = (Path(__file__).parent / "help.ru.toml").read_bytes()
    return msgspec.toml.decode(raw, type=Catalogue)


def translated(command: click.Command, path: str) -> click.Command:
    """A copy of a command, and of those of its group, with Russian help; `path` is how one
    types it."""
    known = catalogue()
    russian = copy.copy(command)
    russian.context_class = _Context
    russian.help = known.help.get(path, inspect.cleandoc(command.help or "")).strip()
    russian.short_help = known.commands.get(path, known.help.get(path, command.short_help))
    russian.params = [copy.copy(parameter) for parameter in command.params]
    for parameter in russian.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = known.options.get(parameter.help, parameter.help)
    if isinstance(russian, click.Group):
        russian.commands = {
            name: translated(inner, f"{path} {name}".strip())
            for name, inner in russian.commands.items()
        }
    return russian


def show(error: click.ClickException) -> None:
    """Say on stderr what is wrong with a command line, and which help explains it."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        error.show()
        return
    click.echo(f"Ошибка: {_sentence(error, context)}", err=True)
    click.echo(f"Справка: {context.command_path} --help", err=True)


def _sentence(error: click.ClickException, context: click.Context) -> str:
    match error:
        case click.NoSuchOption():
            close = f" Может быть, {', '.join(error.possibilities)}?" if error.possibilities else ""
            return f"нет такого параметра: {error.option_name}.{close}"
        case click.MissingParameter():
            return f"не указано: {_written(error, context)}."
        case click.BadOptionUsage():
            return f"параметр {error.option_name} задан неверно ({error.message})."
        case click.BadParameter():
            kind = None if error.param is None else error.param.type
            why = error.message.rstrip(".")
            if isinstance(kind, click.Choice):
                why = f"выберите из {', '.join(map(str, kind.choices))}"
            return f"неверное значение, {_written(error, context)}: {why}."
        case click.UsageError() if isinstance(context.command, click.Group):
            known = ", ".join(context.command.list_commands(context))
            return f"нет такой команды. Есть: {known}."
        case _:
            return f"лишние аргументы ({error.format_message()})"


def _written(error: click.BadParameter, context: click.Context) -> str:
    """The parameter as a person writes it: `--lang` or DIR."""
    parameter = error.param
    if parameter is None:
        return str(error.param_hint or "?")
    if isinstance(parameter, click.Option):
        return " / ".join(parameter.opts)
    return parameter.make_metavar(context)
