"""Help and errors of the command line in the language of the person who types."""

from __future__ import annotations

import copy
import gettext
import inspect
import os

import click

from grader.text import ENGINE, Lang, translate


def set_language(lang: Lang) -> None:
    """Let click take its own words, in help and in errors, from the engine's catalog."""
    os.environ["LANGUAGE"] = lang
    gettext.bindtextdomain("grader", ENGINE)
    gettext.textdomain("grader")


def translated(command: click.Command, lang: Lang) -> click.Command:
    """A copy of a command, and of those of its group, with help in a language."""
    made = copy.copy(command)
    made.help = translate(help_of(command), lang)
    made.short_help = command.short_help and translate(command.short_help, lang)
    made.params = [copy.copy(parameter) for parameter in command.params]
    for parameter in made.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = translate(parameter.help, lang)
    if isinstance(made, click.Group):
        made.commands = {name: translated(one, lang) for name, one in made.commands.items()}
    return made


def help_of(command: click.Command) -> str:
    """The English help of a command, as the catalogs have it."""
    return inspect.cleandoc(command.help or "")
