"""Every command speaks both languages, about what goes wrong too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from grader.cli import COMMANDS, cli, run
from grader.text import language

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as one types it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk(inner, (*path, name))
    else:
        yield path


def found(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        command = inner
    return command


EVERY = list(walk(cli))


def test_all_commands_are_walked() -> None:
    assert {path[0] for path in EVERY} == set(COMMANDS)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_takes_a_language(path: tuple[str, ...]) -> None:
    options = {name for one in found(path).params for name in one.opts}
    assert "--lang" in options
    assert found(path).help


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_wrong_command_line_is_explained_in_russian(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADER_LANG", raising=False)
    for wrong in (["--no-such-option"], ["--lang", "de"], ["too"] * 9):
        assert run([*path, "--lang", "ru", *wrong]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        problem = said.err.splitlines()[-1]
        assert problem.startswith("Ошибка: ")
        assert CYRILLIC.search(problem.removeprefix("Ошибка: "))
        assert "Traceback" not in said.err


def test_other_mistakes_are_explained_in_russian(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for line in (
        ["nosuch"],
        ["new", "--lang", "ru"],
        ["new", "nosuch", str(tmp_path / "x"), "--lang=ru"],
        ["check", str(tmp_path), "--lang", "ru"],
        ["check", str(tmp_path / "missing"), "--lang", "ru"],
        ["check", str(tmp_path), "--hint", "--lesson", "nosuch", "--lang", "ru"],
        ["report", str(tmp_path / "missing"), "--lang", "ru"],
        ["completion", "tcsh", "--lang", "ru"],
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRADER_LANG", "ru")
            assert run(line) == 2
        said = capsys.readouterr().err
        problem = said[said.index("Ошибка: ") :]
        assert CYRILLIC.search(problem.removeprefix("Ошибка: ")), line


LATIN = re.compile(r"[a-z]{3,} [a-z]{2,} [a-z]{2,} [a-z]{2,}")
"""Four words in a row are a sentence in English."""


@pytest.mark.parametrize("path", [(), *EVERY], ids=" ".join)
def test_the_help_of_every_command_is_in_russian(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help", "--lang", "ru"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Использование: grader")
    assert "Параметры:" in said
    assert "Показать эту справку и выйти." in said
    assert LATIN.search(said.replace('echo "how are you"', "")) is None
    assert run([*path, "--help", "--lang", "en"]) == 0
    assert CYRILLIC.search(capsys.readouterr().out) is None


def test_a_language_before_the_command_holds_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADER_LANG", "en")
    assert run(["--lang", "ru", "lessons"]) == 0
    assert "Баллы" in capsys.readouterr().out
    assert run(["lessons"]) == 0
    assert "Баллы" not in capsys.readouterr().out


def test_a_language_is_chosen_by_option_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert language([]) == "en"
    monkeypatch.setenv("LANG", "ru_RU.UTF-8")
    assert language([]) == "ru"
    monkeypatch.setenv("GRADER_LANG", "en")
    assert language([]) == "en"
    assert language(["check", "--lang", "ru"]) == "ru"
