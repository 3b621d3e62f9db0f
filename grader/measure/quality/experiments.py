"""Reader of `experiments.csv`, the table in which a student records the settings tried."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import math
from dataclasses import dataclass

from grader.text import Text
from grader.text.untrusted import name as shown_name
from grader.text.untrusted import quoted

MAX_BYTES = 2**20
MAX_ROWS = 2_000
MAX_COLUMNS = 50
MAX_NAME = 80
_SPACES = str.maketrans("", "", " \u00a0\u202f'")
"""Separators of thousands."""


@dataclass(frozen=True)
class Experiment:
    """One recorded setting. Numbers are the student's own and are never trusted."""

    name: str
    """Visible text on one line, at most `MAX_NAME` characters."""
    values: dict[str, float]


@dataclass(frozen=True)
class Table:
    """Rows that could be read, and problems with the others."""

    experiments: list[Experiment]
    problems: list[Text]
    """Phrases such as `line 3: macs is "12k"`, each short and visible."""


def read(raw: bytes, numbers: tuple[str, ...]) -> Table:
    """Rows of a CSV file that has a column `name` and every column in `numbers`.

    Accepts what spreadsheets write: UTF-8, UTF-16 or Windows-1251, a byte order mark, any line
    ends, `;` or tab as separator, decimal commas. A row with a missing or non-finite number is
    left out and named in `problems`.
    """
    if len(raw) > MAX_BYTES:
        return _refused(
            Text(
                "the file has {raw_count:,} bytes, at most {max_bytes:,} are read",
                raw_count=len(raw),
                max_bytes=MAX_BYTES,
            ),
        )
    text = _decoded(raw)
    if text is None:
        return _refused(
            Text("the file is not a text; save it as CSV in UTF-8"),
        )
    try:
        return _table(text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"), numbers)
    except csv.Error as error:
        return _refused(Text("it is not CSV ({error})", error=quoted(error)))


def _decoded(raw: bytes) -> str | None:
    """The text, or None for bytes in no known encoding."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encodings = ["utf-32"]
    elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in raw[:4]:
        # No byte order mark: a table begins with an ASCII letter, whose other byte is 0.
        encodings = ["utf-16-be" if raw[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp1251"]
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            return None if "\0" in text else text
    return None


def _table(text: str, numbers: tuple[str, ...]) -> Table:
    if text[:4].lower() == "sep=":  # a line that Excel adds
        text = text.partition("\n")[2]
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    columns = [column.strip().lower() for column in rows.fieldnames or []]
    if len(columns) > MAX_COLUMNS:
        return _refused(
            Text(
                "{columns_count:,} columns, at most {max_columns} are read",
                columns_count=len(columns),
                max_columns=MAX_COLUMNS,
            ),
        )
    missing = [column for column in ("name", *numbers) if column not in columns]
    if missing:
        problems = [Text("column {c} is missing", c=c) for c in missing]
        return Table([], problems)
    rows.fieldnames = columns
    table = Table([], [])
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            table.problems.append(
                Text("only the first {max_rows:,} rows are read", max_rows=MAX_ROWS)
            )
            break
        values = {column: _number(row.get(column)) for column in numbers}
        known = {column: value for column, value in values.items() if value is not None}
        if len(known) < len(values):
            bad = next(column for column in numbers if values[column] is None)
            line, cell = rows.line_num, shown_name(row.get(bad) or "")
            table.problems.append(
                Text('line {line}: {bad} is "{cell}", not a number', line=line, bad=bad, cell=cell)
            )
        else:
            name = shown_name((row["name"] or "").strip(), MAX_NAME)
            table.experiments.append(Experiment(name, known))
    return table


def _number(cell: str | None) -> float | None:
    try:
        number = float((cell or "").translate(_SPACES).replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _refused(why: Text) -> Table:
    return Table([], [why])
