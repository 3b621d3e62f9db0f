"""What docs/real-board.md says, tried on simavr with all of its own peripherals: its serial port
and Timer 1, none of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from grader import board
from tests.board.projects import SERIAL

PAGE = Path(__file__).parents[2] / "docs" / "real-board.md"
SIMAVR = shutil.which("simavr")
WORK = "for (volatile uint16_t i = 0; i < 10000; i++) {}"


def snippet() -> bytes:
    """The stopwatch of the page."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"<!-- test: timer -->\n```c\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found.group(1).encode()


@pytest.mark.skipif(SIMAVR is None, reason="needs simavr (apt install simavr)")
def test_the_stopwatch_of_the_page_counts_the_cycles_that_we_count(tmp_path: Path) -> None:
    timed = f"""
#include "serial.h"
#include "stopwatch.h"
int main(void)
{{
    serial_begin();
    stopwatch_begin();
    {WORK}
    uint16_t ticks = stopwatch_ticks();
    for (int8_t shift = 12; shift >= 0; shift -= 4)
        serial_put("0123456789abcdef"[ticks >> shift & 15]);
    serial_put('\\n');
    serial_put('\\n');
    while (!(UCSR0A & 1 << TXC0)) {{}}
    asm volatile("cli\\n sleep");
}}
"""
    files = {"main.c": timed.encode(), "serial.h": SERIAL, "stopwatch.h": snippet()}
    elf = tmp_path / "timed.elf"
    elf.write_bytes(board.build(files).elf)
    assert SIMAVR is not None
    ended = subprocess.run(
        [SIMAVR, "-m", "atmega328p", "-f", "16000000", str(elf)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = re.sub(r"\x1b\[\d*m", "", ended.stderr + ended.stdout)
    ticks = re.search(r"^([0-9a-f]{4})\b", said, re.MULTILINE)
    assert ticks is not None, ended
    assert abs(int(ticks.group(1), 16) * 64 - marked_cycles()) <= 128


def marked_cycles() -> int:
    """The same work between markers on our board."""
    code = f"""
#include "serial.h"
int main(void)
{{
    serial_begin();
    for (;;) {{
        while (serial_get() != '\\n') {{}}
        GPIOR0 = 1;
        {WORK}
        GPIOR0 = 2;
        serial_put('\\n');
    }}
}}
"""
    with board.Board(board.build({"main.c": code.encode(), "serial.h": SERIAL})) as uno:
        return uno.ask("x").inference_cycles


def test_the_stopwatch_is_refused_on_the_simulated_board() -> None:
    code = b'#include "stopwatch.h"\nint main(void) { stopwatch_begin(); for (;;) {} }\n'
    image = board.build({"main.c": code, "stopwatch.h": snippet()})
    with board.Board(image) as uno, pytest.raises(board.FirmwareStopped, match="TCCR1A"):
        uno.ask("x")
