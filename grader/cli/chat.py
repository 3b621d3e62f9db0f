"""`grader chat`: talk with a firmware on the simulated board."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli import options
from grader.text import Lang, Text, ru_number
from grader.text.errors import ExitCode, GraderError, UsageError
from grader.text.untrusted import one_line

if TYPE_CHECKING:
    from grader.board import Board, Image, Reply


@click.command()
@click.argument("firmware", type=click.Path(path_type=Path))
@click.option(
    "--hex",
    "hex_file",
    type=click.Path(path_type=Path),
    help="Also write the program to this file, for avrdude.",
)
@options.as_json()
@options.lang()
def command(firmware: Path, hex_file: Path | None, as_json: bool, lang: Lang) -> int:
    """Talk with FIRMWARE (a project folder, .elf or .hex) on a simulated Arduino UNO.

    Each line is a query, a line with a tab asks for the next character after the context behind
    it. Questions may come from a pipe: `echo "how are you" | grader chat firmware`.
    """
    from grader import board

    image = _load(firmware, lang)
    if hex_file is not None:
        _write_hex(image, hex_file)
    if not as_json:
        click.echo(_about(image, lang), err=True)
    failed = False
    with board.Board(image) as uno:
        for line in _lines(lang):
            failed |= not _answer(uno, line, lang, as_json)
    return ExitCode.BELOW if failed else ExitCode.OK


def _load(firmware: Path, lang: Lang) -> Image:
    from grader import board

    if not firmware.exists():
        raise UsageError(
            Text(
                en=f"There is no {firmware}; give a project folder, an .elf or a .hex file.",
                ru=f"{firmware} не существует; укажите папку проекта, файл .elf или .hex.",
            )
        )
    inside = firmware / "firmware"
    if inside.is_dir() and not any(firmware.glob("*.c*")):
        firmware = inside
    if firmware.is_dir() and not board.is_prepared():
        waiting = Text(
            en="Preparing the compiler for this computer; it takes about a minute, once.",
            ru="Компилятор подготавливается для этого компьютера; это займёт около минуты, один "
            "раз.",
        )
        click.echo(waiting.to(lang), err=True)
    return board.load(firmware)


def _write_hex(image: Image, path: Path) -> None:
    try:
        path.write_text(image.to_hex(), encoding="ascii")
    except OSError as error:
        raise UsageError(options.unwritable(path, error)) from error


def _about(image: Image, lang: Lang) -> str:
    line = Text(
        en=f"{image.flash_bytes:,} bytes of flash, {image.static_bytes:,} of SRAM; "
        "an UNO at 16 MHz, simulated.",
        ru=f"Флеш-память {ru_number(image.flash_bytes)} Б, SRAM {ru_number(image.static_bytes)} Б; "
        "моделируется UNO, 16 МГц.",
    )
    ending = Text(en=" Ctrl-D ends.", ru=" Ctrl-D — выход.")
    return line.to(lang) + (ending.to(lang) if sys.stdin.isatty() else "")


def _lines(lang: Lang) -> Iterator[str]:
    """Queries from the terminal or a pipe, without empty ones."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            if line.strip():
                yield line.rstrip("\r\n")
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (arrow keys and history in input())
    prompt = Text(en="you> ", ru="вы> ").to(lang)
    while True:
        try:
            line = input(prompt)
        except EOFError:
            click.echo()
            return
        if line.strip():
            yield line


def _answer(uno: Board, line: str, lang: Lang, as_json: bool) -> bool:
    """Ask, print; whether it answered. After a failure the board starts afresh."""
    from grader.board import FirmwareStopped

    try:
        reply = uno.ask(_ascii(line))
    except GraderError as error:
        if isinstance(error, FirmwareStopped):
            uno.reset()
        if as_json:
            click.echo(json.dumps({"query": line, "error": error.to(lang)}, ensure_ascii=False))
        else:
            click.secho(f"✗ {one_line(error.to(lang))}", fg="red")
        return False
    if as_json:
        click.echo(json.dumps(_as_dict(line, reply), ensure_ascii=False))
    else:
        click.echo(one_line(reply.text))
        click.secho(f"    {_timing(reply, lang)}", dim=True)
    return True


def _ascii(line: str) -> bytes:
    from grader.board.board import MAX_LINE

    if not line.isascii() or len(line) > MAX_LINE:
        raise UsageError(
            Text(
                en=f"The board reads ASCII, at most {MAX_LINE} characters a line; write in English "
                "letters.",
                ru=f"Плата читает ASCII, не больше {MAX_LINE} символов в строке; пишите латиницей.",
            )
        )
    return line.encode("ascii")


def _cycles_per_character(reply: Reply) -> float:
    """By the markers; without them, all work over all that was sent."""
    if reply.inferences:
        return reply.inference_cycles / len(reply.inferences)
    return reply.cycles / len(reply.sent)


def _timing(reply: Reply, lang: Lang) -> str:
    from grader.board import milliseconds

    each, total = milliseconds(_cycles_per_character(reply)), milliseconds(reply.cycles)
    return Text(
        en=f"{each:,.2f} ms a character, {total:,.1f} ms in all, at 16 MHz",
        ru=f"{each:.2f} мс на символ, всего {total:.1f} мс при 16 МГц",
    ).to(lang)


def _as_dict(line: str, reply: Reply) -> dict[str, object]:
    from grader.board import milliseconds

    cycles = _cycles_per_character(reply)
    return {
        "query": line,
        "reply": reply.text,
        "cycles_per_char": cycles,
        "ms_per_char": milliseconds(cycles),
        "inferences": len(reply.inferences),
        "cycles": reply.cycles,
        "outside_cycles": reply.outside_cycles,
    }
