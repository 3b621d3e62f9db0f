"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from grader.text import LANGS, Lang, Text
from grader.text.errors import UsageError
from grader.text.untrusted import quoted

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class LessonName(click.ParamType):
    """The name of a lesson, which a shell can complete; commands say what is wrong with others."""

    name = "lesson"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from grader.lesson import loading

        try:
            names = loading.names()
        except UsageError:  # no course here: nothing to offer
            names = []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


LESSON = LessonName()


def lang() -> Decorator:
    from grader.text import language

    return click.option(
        "--lang",
        type=click.Choice(LANGS),
        default=lambda: click.get_current_context().find_root().obj or language(),
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


def papers() -> Decorator:
    """`--course`, `--roster` and `--times`."""
    texts = {
        "course": "course.toml: deadlines, extensions, late days.",
        "roster": "CSV of the students: your own, or an export of Moodle, Canvas or GitHub.",
        "times": "CSV with the times of handing in, where the roster has none.",
    }

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, text in reversed(texts.items()):
            function = click.option(
                f"--{name}",
                type=click.Path(path_type=Path),
                help=f"{text}  [default: that of the last run into OUT]",
            )(function)
        return function

    return decorate


def trust() -> Decorator:
    return click.option(
        "--trust",
        is_flag=True,
        help="Grade other people's work although this machine does not isolate it well "
        "(grader doctor says why).",
    )


def require_isolation(trust: bool) -> None:
    """Raises UsageError where other people's work is not isolated well, unless `trust`."""
    from grader.sandbox.isolation.levels import require_for_others

    require_for_others(trust)


def html() -> Decorator:
    """`--html`, checked before anything is measured."""
    return _file_to_write("--html", "Also write a report page to this file.")


def executed() -> Decorator:
    """`--executed`, checked before anything is run."""
    return _file_to_write("--executed", "Also write the executed copy of a notebook to this file.")


def _file_to_write(name: str, about: str) -> Decorator:
    def writable(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise UsageError(
                Text(
                    en=f"{name} {path} is a folder or lies in none; give the file to write.",
                    ru=f"{name} {path} — папка или файл в несуществующей папке; укажите файл.",
                )
            )
        return path

    return click.option(name, type=click.Path(path_type=Path), callback=writable, help=about)


def nobody(name: str) -> Text:
    """Of a name in course.toml that the class does not have."""
    return Text(
        en=f"course.toml names {quoted(name)}, but nobody in the class is called so; correct it.",
        ru=f"В course.toml указан {quoted(name)}, но в группе такого нет; исправьте.",
    )


def unwritable(path: Path, error: OSError) -> Text:
    """Why nothing can be written at `path`."""
    return Text(
        en=f"{path} cannot be written ({error.strerror}); choose another place.",
        ru=f"Не удаётся записать {path} ({error.strerror}); выберите другое место.",
    )


def available_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


# What is wrong with a command line, in the reader's language.


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
