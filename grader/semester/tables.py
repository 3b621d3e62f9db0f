"""Tables that LMSs and spreadsheets write: any of their encodings, separators and headers."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, tzinfo
from pathlib import Path

from grader.text import Text
from grader.text.errors import UsageError

_MONTHS = (
    ("jan", "янв"),
    ("feb", "фев"),
    ("mar", "мар"),
    ("apr", "апр"),
    ("may", "мая", "май"),
    ("jun", "июн"),
    ("jul", "июл"),
    ("aug", "авг"),
    ("sep", "сен"),
    ("oct", "окт"),
    ("nov", "ноя"),
    ("dec", "дек"),
)
_CLOCK = re.compile(r"(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}))?\s*(?P<half>[ap]\.?m\.?)?", re.I)
_DAY_MONTH = re.compile(r"(?P<d>\d{1,2})\.?\s+(?P<month>[^\W\d_]{3,})\.?,?\s+(?P<y>\d{4})")
_MONTH_DAY = re.compile(r"(?P<month>[^\W\d_]{3,})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})")
_DOTTED = re.compile(r"(?P<d>\d{1,2})\.(?P<n>\d{1,2})\.(?P<y>\d{4})")


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names in its first line, small and without outer spaces.

    Comma, semicolon or tab; UTF-8, UTF-16 or, as Excel saves in Russian, Windows-1251. Raises
    UsageError when there is no such file or it is no table.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            Text(
                en=f"{path} cannot be read ({reason}); give a CSV file.",
                ru=f"Не удаётся прочитать {path} ({reason}); укажите файл CSV.",
            )
        ) from error
    text = decoded(raw)
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise no_table(path, str(error), str(error)) from error
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if not lines:
        raise no_table(path, "it is empty", "он пуст")
    heads = [head.strip().casefold() for head in lines[0]]
    return [
        dict(zip(heads, (cell.strip() for cell in [*line, *[""] * len(heads)]), strict=False))
        for line in lines[1:]
    ]


def no_table(path: Path, en: str, ru: str) -> UsageError:
    """Why the file at `path` cannot be used as a table."""
    return UsageError(
        Text(
            en=f"{path} is no table that can be used: {en}. Correct it.",
            ru=f"{path} не подходит как таблица: {ru}. Исправьте файл.",
        )
    )


def decoded(raw: bytes) -> str:
    """The text of a table, by its mark, else UTF-8, else Windows-1251."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1251", "replace")


def moment(text: str, zone: tzinfo) -> datetime | None:
    """The time that a cell says, in `zone` where it names none; None for a cell that says none.

    ISO 8601; as Moodle writes it in English and Russian (`Wednesday, 10 June 2026, 2:14 PM`,
    `Wednesday, June 10, 2026, 2:14 PM`, `среда, 10 июня 2026, 14:14`); `10.06.2026 14:14`.
    """
    text = text.strip()
    iso = re.sub(r"\s*UTC$", "+00:00", text)
    try:
        found = datetime.fromisoformat(iso)
    except ValueError:
        date, clock = _date(text), _CLOCK.search(text)
        if date is None or clock is None:
            return None
        try:
            found = datetime(*date, *_time(clock))
        except ValueError:
            return None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _date(text: str) -> tuple[int, int, int] | None:
    if dotted := _DOTTED.search(text):
        return int(dotted["y"]), int(dotted["n"]), int(dotted["d"])
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        for found in pattern.finditer(text):
            month = found["month"].casefold()
            for number, starts in enumerate(_MONTHS, start=1):
                if month.startswith(starts):
                    return int(found["y"]), number, int(found["d"])
    return None


def _time(found: re.Match[str]) -> tuple[int, int, int]:
    hour, half = int(found["h"]), (found["half"] or "").casefold()
    if half:
        hour = hour % 12 + 12 * half.startswith("p")
    return hour, int(found["m"]), int(found["s"] or 0)
