"""What is wrong with a command line, in the reader's language."""

from __future__ import annotations

import click

from grader.text import Lang


def show(error: click.ClickException, lang: Lang) -> None:
    """Say on stderr what is wrong and where to read on."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if lang == "en" or context is None:
        error.show()
        return
    click.echo(f"Ошибка: {_russian(error)}", err=True)
    click.echo(f"Справка: {context.command_path} --help", err=True)


def _russian(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    match error:
        case click.NoSuchOption():
            close = f" Может быть, {', '.join(error.possibilities)}?" if error.possibilities else ""
            return f"нет такого параметра: {error.option_name}.{close}"
        case click.MissingParameter():
            return f"не указано: {_named(error)}."
        case click.BadOptionUsage():
            return f"параметр {error.option_name} задан неверно ({error.message})."
        case click.BadParameter():
            return f"неверное значение, {_named(error)}: {_reason(error)}."
        case click.UsageError() if context is not None and isinstance(context.command, click.Group):
            known = ", ".join(context.command.list_commands(context))
            return f"нет такой команды. Есть: {known}."
        case _:
            return f"лишние аргументы ({error.format_message()})"


def _named(error: click.BadParameter) -> str:
    """The parameter as a person writes it: `--lang` or DIR."""
    parameter = error.param
    if parameter is None:
        return str(error.param_hint or "?")
    if isinstance(parameter, click.Option):
        return " / ".join(parameter.opts)
    assert error.ctx is not None
    return parameter.make_metavar(error.ctx)


def _reason(error: click.BadParameter) -> str:
    kind = None if error.param is None else error.param.type
    if isinstance(kind, click.Choice):
        return f"выберите из {', '.join(map(str, kind.choices))}"
    return error.message.rstrip(".")
