"""`grader translations`: keep the catalogs of translations in step with the code.

The English sentences of the engine and of each lesson are collected from its Python and TOML files.
Each catalog, `locale/<language>/LC_MESSAGES/<name>.po`, gets those that are new, without a
translation, and loses those that the code no longer has. It is compiled to a `.mo` file beside it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import click
import msgspec
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import grader
from grader import cli
from grader.cli import options
from grader.lesson import course
from grader.lesson.spec import LessonSpec
from grader.measure.hardware import platforms
from grader.report import labels as report_labels
from grader.text import Lang, Text, decoded, from_toml
from grader.text.errors import ExitCode

ERRORS = ("UsageError", "Rejected", "DataError", "Fault", "SpecError", "Disagreement")
KEYWORDS = dict.fromkeys(("Text", *ERRORS)) | {"plural": (1, 2)}
"""The calls whose first arguments are English sentences."""
CLICK = "click"
"""Stands in a catalog for the place of a sentence that click itself shows."""


@dataclass(frozen=True)
class Source:
    """The engine or a lesson: where its sentences stand, and its catalogs' name and folder."""

    name: str
    folder: Path

    @property
    def locale(self) -> Path:
        return self.folder / "locale"

    def catalog(self, lang: str) -> Path:
        return self.locale / lang / "LC_MESSAGES" / f"{self.name}.po"

    @property
    def languages(self) -> list[str]:
        return sorted(path.parents[1].name for path in self.locale.glob(f"*/*/{self.name}.po"))


def sources() -> list[Source]:
    """The engine, and each lesson of the course."""
    lessons = sorted(path.parent for path in course.assignments().glob("*/lesson.toml"))
    return [
        Source("grader", Path(grader.__file__).parent),
        *(Source(folder.name, folder) for folder in lessons),
    ]


def collect(source: Source) -> Catalog:
    """All English sentences of the engine or of a lesson, without translations."""
    found = Catalog(fuzzy=False)
    skip = ("samples", "locale", "__pycache__")
    for name, _, message, comments, context in extract_from_dir(
        source.folder,
        [("**.py", "python")],
        keywords=KEYWORDS,
        directory_filter=lambda folder: Path(folder).name not in skip,
    ):
        found.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    for file, message, context in _in_toml(source):
        found.add(message, locations=[(file, 0)], context=context)
    if source.name == "grader":
        for message in _help():
            found.add(message, locations=[("cli", 0)])
    return found


def click_messages() -> Catalog:
    """What the installed click itself shows to a person."""
    found = Catalog(fuzzy=False)
    for _, _, message, _, context in extract_from_dir(
        Path(click.__file__).parent,
        [("**.py", "python")],
        keywords={"_": None, "ngettext": (1, 2)},
    ):
        found.add(message, locations=[(CLICK, 0)], context=context)
    return found


def update(source: Source, lang: str) -> Catalog:
    """The catalog of one language with the sentences that the code has now."""
    path = source.catalog(lang)
    known = read(path, lang) if path.is_file() else Catalog(locale=lang)
    new = Catalog(
        locale=lang,
        project="small-fast-nets",
        fuzzy=False,
        header_comment=f"# Translations of {source.name} into {lang}.",
        # Dates would make every run a change.
        creation_date=datetime(2026, 1, 1, tzinfo=UTC),
        revision_date=datetime(2026, 1, 1, tzinfo=UTC),
    )
    wanted = [*collect(source)]
    if source.name == "grader":
        wanted += click_messages()
    for message in wanted:
        if message.id:
            old = known.get(message.id, message.context)
            new.add(
                message.id,
                None if old is None else old.string,
                locations=message.locations,
                flags=() if old is None else old.flags,
                auto_comments=message.auto_comments,
                context=message.context,
            )
    for old in known:
        if old.id and CLICK in _places(old) and new.get(old.id, old.context) is None:
            new.add(old.id, old.string, locations=old.locations, context=old.context)
    return new


def problems(source: Source, lang: str) -> list[str]:
    """What is missing, fuzzy or stale in one catalog, a line each."""
    path = source.catalog(lang)
    known, wanted = read(path, lang), collect(source)
    found = []
    for message in wanted:
        old = known.get(message.id, message.context)
        if message.id and (old is None or not _complete(old)):
            found.append(f"{path}: missing: {_first(message)!r}")
    for old in known:
        if old.fuzzy and old.id:
            found.append(f"{path}: fuzzy: {_first(old)!r}")
        if old.id and CLICK not in _places(old) and wanted.get(old.id, old.context) is None:
            found.append(f"{path}: stale: {_first(old)!r}")
        found += [f"{path}: {_first(old)!r}: {error}" for error in _placeholders(old)]
    compiled = path.with_suffix(".mo")
    if not compiled.is_file() or compiled.read_bytes() != _compiled(known):
        found.append(f"{compiled} is not what {path.name} compiles to")
    return found


def read(path: Path, lang: str) -> Catalog:
    """The catalog in a `.po` file."""
    with path.open("rb") as file:
        return read_po(file, locale=lang)


def write(path: Path, catalog: Catalog) -> None:
    """A catalog as `.po` for people and as `.mo` for programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=100, sort_output=True, include_lineno=False)
    path.write_bytes(buffer.getvalue())
    path.with_suffix(".mo").write_bytes(_compiled(catalog))


@click.command()
@click.option("--check", is_flag=True, help="Write nothing, only list what is wrong.")
@click.option("--new", metavar="LANGUAGE", help="Begin the catalogs of one more language, say de.")
@options.lang
def command(check: bool, new: str | None, lang: Lang) -> int:
    """Update the catalogs of translations of the engine and of all lessons.

    Lists sentences without a translation, doubtful ones, and those that the code no longer has.
    """
    found = []
    for source in sources():
        more = [new] if new and new not in source.languages else []
        for language in [*source.languages, *more]:
            if not check:
                write(source.catalog(language), update(source, language))
            found += problems(source, language)
    done = Text("All catalogs are complete.").to(lang)
    click.echo("\n".join(found) or done)
    return ExitCode.BELOW if found else ExitCode.OK


def _in_toml(source: Source) -> Iterator[tuple[str, str | tuple[str, str], str | None]]:
    """File, sentence and context of each text in the TOML files."""
    if source.name != "grader":
        for message in texts(source.folder / "lesson.toml", LessonSpec):
            yield "lesson.toml", message, None
        return
    labels = source.folder / "report" / "labels.toml"
    for unit in from_toml(labels.read_bytes(), report_labels.Catalogue).units.values():
        yield "report/labels.toml", unit, report_labels.UNIT
    files: dict[str, type] = {
        "report/labels.toml": report_labels.Catalogue,
        "handout/labels.toml": dict[str, Text],
        "measure/hardware/catalogue.toml": platforms.PlatformFile,
    }
    for name, kind in files.items():
        for message in texts(source.folder / name, kind):
            yield name, message, None


def texts(path: Path, kind: type) -> list[str | tuple[str, str]]:
    """The English sentences that a TOML file of this type holds as texts; none without a file."""
    found: list[str | tuple[str, str]] = []

    def decode(wanted: type, value: object) -> Text:
        if isinstance(value, str) and value:
            found.append(value)
        elif isinstance(value, dict) and value.keys() == {"one", "other"}:
            found.append((value["one"], value["other"]))
        text: Text = decoded(wanted, value)
        return text

    if path.is_file():
        msgspec.toml.decode(path.read_bytes(), type=kind, dec_hook=decode)
    return found


def _help() -> Iterator[str]:
    """The help of all commands and of their options."""
    yield from cli.COMMANDS.values()
    group = cli.cli
    for name in ("", *cli.COMMANDS):
        yield from _help_of(group if not name else cli.find(name))


def _help_of(command: click.Command | None) -> Iterator[str]:
    if command is None:
        return
    yield from filter(None, (cli.help_of(command), command.short_help))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            yield parameter.help
    if isinstance(command, click.Group) and not isinstance(command, cli._Group):
        for inner in command.commands.values():
            yield from _help_of(inner)


def _compiled(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def _places(message: Message) -> list[str]:
    return [name for name, _ in message.locations]


def _first(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _complete(message: Message) -> bool:
    strings = message.string or ""
    return bool(strings) if isinstance(strings, str) else all(strings)


def _placeholders(message: Message) -> Iterator[str]:
    """Placeholders of a translation that its English sentence does not have."""
    if not isinstance(message.string, str) or not message.string:
        return
    try:
        allowed, used = (
            {name for _, name, _, _ in Formatter().parse(text) if name}
            for text in (_first(message), message.string)
        )
    except ValueError:
        return  # braces that stand for themselves
    if used - allowed:
        yield f"unknown placeholders {', '.join(sorted(used - allowed))}"
