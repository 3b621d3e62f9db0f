"""Small firmware projects for tests."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "firmware"
SERIAL = (FOLDER / "serial.h").read_bytes()
GOOD = ("echo", "arithmetic", "tables")
LINES = ("hello", "how are you today", "", "z" * 90, "The quick brown fox, 0123456789!")


def project(name: str) -> dict[str, bytes]:
    """A project of tests/board/firmware."""
    return {"main.c": (FOLDER / f"{name}.c").read_bytes(), "serial.h": SERIAL}


def answering(body: str, *, before: str = "", declarations: str = "") -> dict[str, bytes]:
    """A project that executes `body` for each line, which must answer it."""
    code = f"""
#include "serial.h"
#include <avr/pgmspace.h>
static char line[100];
static uint8_t count;
{declarations}
int main(void)
{{
    serial_begin();
    {before}
    for (;;) {{
        count = serial_line(line, sizeof line);
        {body}
    }}
}}
"""
    return {"main.c": code.encode(), "serial.h": SERIAL}
