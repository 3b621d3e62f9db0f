"""The command line: arguments in, exit code out, and no traceback to a person.

Commands live in modules of their own and are imported when called, so that `grader --help`
loads neither torch nor numpy.
"""

from __future__ import annotations

import copy
import gettext
import importlib
import inspect
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence

import click

from grader import __version__
from grader.text import ENGINE, ENGLISH, Lang, Text, language, languages, translate
from grader.text.errors import ExitCode, GraderError

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: the program that read our output has ended."""
COMMANDS = {
    "lessons": "List the lessons of the course.",
    "new": "Start a lesson: copy its template into a new folder.",
    "check": "Check your own work: public checks, a score estimate, hints.",
    "grade": "Grade one submission on the hidden data.",
    "batch": "Grade a folder of submissions; safe to interrupt and rerun.",
    "report": "Draw the pages of a graded folder again.",
    "similar": "Rank pairs of submissions that are worth a look.",
    "rubric": "Enter the points that a person gives.",
    "gradebook": "Write grades for people, Moodle, Canvas and Gradescope.",
    "data": "List the data sets, download or prepare one.",
    "chat": "Talk with a firmware on a simulated Arduino UNO.",
    "profile": "Where the time of a model goes on a platform, and whether it fits.",
    "doctor": "Say what this machine can do and what is missing.",
    "reference": "Grade a lesson's reference solution; --train makes it anew.",
    "handout": "Render a lecture: page, slides, PDF, notebook; or the whole course.",
    "listen": "Let a streaming model listen to a .wav file or the microphone.",
    "completion": "Make a shell complete commands, options and lessons.",
    "release": "Make what students get: the package, starters, handouts; no solution, no secret.",
    "export": "Make the autograder of a lesson for Gradescope.",
    "new-course": "Start a course of your own, with one lesson that works.",
    "translations": "Bring the catalogs of translations up to date.",
    "demo": "Build sample submissions, grade them and write the pages.",
}
_SHARED = {"lessons": "new", "reference": "grade", "export": "release", "new-course": "new"}
"""Commands that stand, under their own name, in the module of another."""


def find(name: str) -> click.Command | None:
    """The command called `name`, its module imported; None for an unknown one."""
    if name not in COMMANDS:
        return None
    module = importlib.import_module(f"grader.cli.{_SHARED.get(name, name)}")
    function = name.replace("-", "_") if name in _SHARED else "command"
    command: click.Command = getattr(module, function)
    return command


class _Group(click.Group):
    """`grader` itself: lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = find(cmd_name)
        return None if command is None else translated(command, ctx.find_root().obj or ENGLISH)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lang = ctx.find_root().obj or ENGLISH
        with formatter.section(gettext.gettext("Commands")):
            formatter.write_dl([(name, translate(COMMANDS[name], lang)) for name in COMMANDS])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--lang",
    type=click.Choice(languages()),
    expose_value=False,
    help="Language of sentences and pages.  [default: from the locale]",
)
@click.version_option(__version__, prog_name="grader")
def cli() -> None:
    """Make neural networks small and fast, and measure it.

    \b
    Students:     grader new LESSON DIR, then grader check
    Instructors:  grader batch LESSON DIR --out OUT

    Exit codes: 0 fine; 1 below the gate, rejected, or a failed check; 2 wrong usage or
    input; 3 something could not be graded.
    """


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


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    lang = language(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a log in cp1251 has no check mark
    # filelock warns on systems without file locks; a cache is built once there all the same.
    warnings.filterwarnings("ignore", message="only soft file lock")
    try:
        set_language(lang)
        result = translated(cli, lang).main(
            list(arguments), "grader", standalone_mode=False, obj=lang
        )
        return int(result) if isinstance(result, int) else ExitCode.OK
    except (click.exceptions.Abort, KeyboardInterrupt):
        interrupted = Text("Interrupted; what was finished is kept, run the same command to go on.")
        click.echo(interrupted.to(lang), err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except GraderError as error:
        _show_error(error.to(lang), lang)
        return error.exit_code
    except BrokenPipeError:
        # As in `grader lessons | head -1`; Python would complain again when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _show_error(f"{where}{error.strerror or error}.", lang)
        return ExitCode.UNGRADED
    except Exception:
        import traceback

        keep_fault(traceback.format_exc(), lang)
        return ExitCode.UNGRADED


def keep_fault(details: str, lang: Lang = "en") -> None:
    """Write a traceback to a temporary file for the developers, and say where it is."""
    handle, name = tempfile.mkstemp(prefix="grader-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(details)
    told = Text("The grader itself failed; details for its developers are in {name}", name=name)
    click.echo(told.to(lang), err=True)


def _show_error(sentence: str, lang: Lang) -> None:
    click.echo(Text("Error: {sentence}", sentence=sentence).to(lang), err=True)
