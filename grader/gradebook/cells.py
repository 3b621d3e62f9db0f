"""What is written into a cell of a table that a spreadsheet will open.

Spreadsheets take a cell that begins with = + - @, a tab or a line end for a formula, also in a CSV
file and behind a separator (OWASP, CSV Injection). Such text gets an apostrophe in front, as people
type it there to mean text; numbers of ours stay numbers.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence

from grader.untrusted import one_line

_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
MAX_TEXT = 32_000
"""Excel holds 32,767 characters in a cell."""
Value = str | float | None


def safe(text: str) -> str:
    """`text` on one line, and nothing that a spreadsheet would calculate."""
    return guarded(one_line(text)[:MAX_TEXT])


def guarded(text: str) -> str:
    """`text` as it is, but for an apostrophe where a spreadsheet would calculate."""
    begins = text.lstrip(" \u00a0'\"")
    harmless = len(text.strip()) <= 1 or _is_number(text)  # Moodle writes - for nothing
    return f"'{text}" if begins.startswith(_TRIGGERS) and not harmless else text


def plain(text: str) -> str:
    """What `safe` was given, where that was one line."""
    inner = text[1:]
    return inner if text.startswith("'") and safe(inner) == text else text


def number(value: float) -> str:
    """Points as tables have them: at most four decimals, no zeros behind."""
    if not math.isfinite(value):
        return ""
    shown = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def shown(value: Value) -> str:
    """A cell's text."""
    if value is None:
        return ""
    return safe(value) if isinstance(value, str) else number(value)


def to_csv(
    lines: Iterable[Sequence[Value]], *, bom: bool = False, text: Callable[[str], str] = safe
) -> bytes:
    """Lines as CSV (RFC 4180), in UTF-8; Excel knows that by a mark at the beginning."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows(
        [text(value) if isinstance(value, str) else shown(value) for value in line]
        for line in lines
    )
    return buffer.getvalue().encode("utf-8-sig" if bom else "utf-8", "replace")


def _is_number(text: str) -> bool:
    """True for -1.5 and +3, which are what they look like."""
    body = text[1:] if text[:1] in "+-" else text
    return body.replace(".", "", 1).isascii() and body.replace(".", "", 1).isdigit()
