"""CSV tables of LMSs and spreadsheets, in any of their encodings, separators and date formats."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, tzinfo
from pathlib import Path

from grader.text import Text, verbatim
from grader.text.errors import UsageError

GIVE_CSV = Text("give a CSV file")
GIVE_EXPORT = Text("give the LMS's export")
_MONTHS = (("jan", "янв"), ("feb", "фев"), ("mar", "мар"), ("apr", "апр"), ("may", "мая", "май"),
           ("jun", "июн"), ("jul", "июл"), ("aug", "авг"), ("sep", "сен"), ("oct", "окт"),
           ("nov", "ноя"), ("dec", "дек"))  # fmt: skip
_CLOCK = re.compile(r"(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}))?\s*(?P<half>[ap]\.?m\.?)?", re.I)
_DAY_MONTH = re.compile(r"(?P<d>\d{1,2})\.?\s+(?P<month>[^\W\d_]{3,})\.?,?\s+(?P<y>\d{4})")
_MONTH_DAY = re.compile(r"(?P<month>[^\W\d_]{3,})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})")
_DOTTED = re.compile(r"(?P<d>\d{1,2})\.(?P<n>\d{1,2})\.(?P<y>\d{4})")


def read_lines(path: Path, advice: Text = GIVE_CSV) -> list[list[str]]:
    """The lines of a CSV file as they are, without empty ones at its start.

    Separated by comma, semicolon or tab; in UTF-8, UTF-16 or, as Excel saves in Russian,
    Windows-1251. Raises UsageError, with `advice` when the file cannot be read.
    """
    try:
        text = _decoded(path.read_bytes()).lstrip("\r\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            "{path} cannot be read ({reason}); {advice}.", path=path, reason=reason, advice=advice
        ) from error
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise no_table(path, verbatim(error)) from error
    if not any(cell.strip() for line in lines for cell in line):
        raise no_table(path, Text("it is empty"))
    return lines


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by its column names, in lower case, all without outer spaces. Raises
    UsageError when there is no such file or it is no table."""
    lines = [line for line in read_lines(path) if any(cell.strip() for cell in line)]
    heads = [head.strip().casefold() for head in lines[0]]
    return [
        dict(zip(heads, (cell.strip() for cell in [*line, *[""] * len(heads)]), strict=False))
        for line in lines[1:]
    ]


def no_table(path: Path, why: Text) -> UsageError:
    """The error that says why the file at `path` cannot be used as a table."""
    return UsageError("{path} is no table that can be used: {why}. Correct it.", path=path, why=why)


def moment(text: str, zone: tzinfo) -> datetime | None:
    """The time in a cell, in `zone` if it names none; None when the cell has no time.

    Reads ISO 8601, Moodle's English and Russian formats (`Wednesday, 10 June 2026, 2:14 PM`,
    `Wednesday, June 10, 2026, 2:14 PM`, `среда, 10 июня 2026, 14:14`), and `10.06.2026 14:14`.
    """
    text = text.strip()
    try:
        found = datetime.fromisoformat(re.sub(r"\s*UTC$", "+00:00", text))
    except ValueError:
        date, clock = _date(text), _CLOCK.search(text)
        if date is None or clock is None:
            return None
        hour, half = int(clock["h"]), (clock["half"] or "").casefold()
        if half:
            hour = hour % 12 + 12 * half.startswith("p")
        try:
            found = datetime(*date, hour, int(clock["m"]), int(clock["s"] or 0))
        except ValueError:
            return None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _decoded(raw: bytes) -> str:
    """The text of a table, by its byte order mark, else UTF-8, else Windows-1251."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1251", "replace")


def _date(text: str) -> tuple[int, int, int] | None:
    """Year, month and day."""
    if dotted := _DOTTED.search(text):
        return int(dotted["y"]), int(dotted["n"]), int(dotted["d"])
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        for found in pattern.finditer(text):
            month = found["month"].casefold()
            for number, starts in enumerate(_MONTHS, start=1):
                if month.startswith(starts):
                    return int(found["y"]), number, int(found["d"])
    return None
