"""`grader chat FIRMWARE`: talk with a firmware on the simulated board."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli import options
from grader.text import EMPTY, Lang, Text
from grader.text.errors import ExitCode, GraderError, UsageError
from grader.text.untrusted import one_line

if TYPE_CHECKING:
    from grader.board import Board, Image


@click.command()
@click.argument("firmware", type=options.PATH)
@click.option(
    "--hex", "hex_file", type=options.PATH, help="Also write the program to this file, for avrdude."
)
@options.as_json
@options.lang
def command(firmware: Path, hex_file: Path | None, as_json: bool, lang: Lang) -> int:
    """Talk with FIRMWARE (a project folder, .elf or .hex) on a simulated Arduino UNO.

    Each line is a query, a line with a tab asks for the next character after the context behind
    it. Questions may come from a pipe: `echo "how are you" | grader chat firmware`.
    """
    from grader.board import Board

    image = _load(firmware, lang)
    if hex_file is not None:
        with options.writing(hex_file):
            hex_file.write_text(image.to_hex(), encoding="ascii")
    if not as_json:
        flash, static = image.flash_bytes, image.static_bytes
        about = Text(
            "{flash:,} bytes of flash, {static:,} of SRAM; an UNO at 16 MHz, simulated.",
            flash=flash,
            static=static,
        )
        ending = Text(" Ctrl-D ends.") if sys.stdin.isatty() else EMPTY
        click.echo(about.to(lang) + ending.to(lang), err=True)
    failed = False
    with Board(image) as board:
        for line in _lines(lang):
            failed |= not _answer(board, line, lang, as_json)
    return ExitCode.BELOW if failed else ExitCode.OK


def _load(firmware: Path, lang: Lang) -> Image:
    from grader import board

    if not firmware.exists():
        raise UsageError(
            "There is no {firmware}; give a project folder, an .elf or a .hex file.",
            firmware=firmware,
        )
    inside = firmware / "firmware"
    if inside.is_dir() and not any(firmware.glob("*.c*")):
        firmware = inside
    if firmware.is_dir() and not board.is_prepared():
        waiting = Text("Preparing the compiler for this computer; it takes about a minute, once.")
        click.echo(waiting.to(lang), err=True)
    return board.load(firmware)


def _lines(lang: Lang) -> Iterator[str]:
    """Queries from the terminal or a pipe, without empty ones."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            if line.strip():
                yield line.rstrip("\r\n")
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (arrow keys and history in input())
    prompt = Text("you> ").to(lang)
    while True:
        try:
            line = input(prompt)
        except EOFError:
            click.echo()
            return
        if line.strip():
            yield line


def _answer(board: Board, line: str, lang: Lang, as_json: bool) -> bool:
    """Ask and print; True when the board answered. After a failure it is reset."""
    from grader.board import FirmwareStopped, milliseconds
    from grader.board.board import MAX_LINE

    try:
        if not line.isascii() or len(line) > MAX_LINE:
            raise UsageError(
                "The board reads ASCII, at most {max_line} characters a line; write in English "
                "letters.",
                max_line=MAX_LINE,
            )
        reply = board.ask(line.encode("ascii"))
    except GraderError as error:
        if isinstance(error, FirmwareStopped):
            board.reset()
        if as_json:
            click.echo(json.dumps({"query": line, "error": error.to(lang)}, ensure_ascii=False))
        else:
            click.secho(f"✗ {one_line(error.to(lang))}", fg="red")
        return False
    # By the firmware's markers; without them, all cycles over all characters that were sent.
    if reply.inferences:
        cycles = reply.inference_cycles / len(reply.inferences)
    else:
        cycles = reply.cycles / len(reply.sent)
    each, total = milliseconds(cycles), milliseconds(reply.cycles)
    if as_json:
        facts = {
            "query": line,
            "reply": reply.text,
            "cycles_per_char": cycles,
            "ms_per_char": each,
            "inferences": len(reply.inferences),
            "cycles": reply.cycles,
            "outside_cycles": reply.outside_cycles,
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
        return True
    timing = Text(
        "{each:,.2f} ms a character, {total:,.1f} ms in all, at 16 MHz", each=each, total=total
    )
    click.echo(one_line(reply.text))
    click.secho(f"    {timing.to(lang)}", dim=True)
    return True
