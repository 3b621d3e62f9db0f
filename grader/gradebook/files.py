"""Gradebooks as CSV, Excel and JSON Lines files, with cells that are safe in spreadsheets.

Spreadsheets take a cell that begins with = + - @, a tab or a line end for a formula, also in a
CSV file and after a separator (OWASP, CSV Injection). Such text gets an apostrophe in front, which
spreadsheets read as "text follows"; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from grader.gradebook.book import Book, Value, number
from grader.text import Lang
from grader.text.untrusted import one_line

MAX_TEXT = 32_000
"""Characters of a cell; Excel allows 32,767."""
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def as_csv(book: Book) -> bytes:
    """CSV for spreadsheets, with a byte order mark by which Excel recognizes UTF-8."""
    return to_csv(
        [book.columns, *([cell.value for cell in row.cells] for row in book.rows)], bom=True
    )


def as_json_lines(book: Book, lang: Lang) -> bytes:
    """JSON Lines: an object for each student with the cells and their reasons."""
    lines = []
    for row in book.rows:
        cells = list(zip(book.columns, row.cells, strict=True))
        found = {
            "student": row.student.id,
            "cells": {name: cell.value for name, cell in cells},
            "why": {name: cell.why.to(lang) for name, cell in cells},
        }
        lines.append(json.dumps(found, ensure_ascii=False) + "\n")
    return "".join(lines).encode("utf-8", "replace")


def as_excel(book: Book, lang: Lang) -> bytes:
    """An Excel file with two sheets of the same shape: the cells, and their reasons."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    workbook = Workbook()
    grades, why = workbook.active, workbook.create_sheet("why")
    assert grades is not None
    grades.title = "grades"
    heads: list[Value] = [*book.columns]
    tables: list[tuple[Any, list[list[Value]]]] = [
        (grades, [[cell.value for cell in row.cells] for row in book.rows]),
        (why, [[cell.why.to(lang) for cell in row.cells] for row in book.rows]),
    ]
    for sheet, lines in tables:
        for at, line in enumerate([heads, *lines], start=1):
            for column, value in enumerate(line, start=1):
                cell = sheet.cell(at, column)
                if isinstance(value, str):  # stored as text, so that none of it is a formula
                    cell.value = one_line(value)[:MAX_TEXT]
                    cell.data_type = "s"
                    cell.quotePrefix = True
                elif value is not None:
                    cell.value = round(value, 4)
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        sheet.freeze_panes = "C2"
    raw = io.BytesIO()
    workbook.save(raw)
    return raw.getvalue()


def to_csv(
    lines: Iterable[Sequence[Value]], *, bom: bool = False, text: Callable[[str], str] | None = None
) -> bytes:
    """Lines as CSV (RFC 4180) in UTF-8; `text` makes text safe, by default `safe`."""
    shown = {str: text or safe, type(None): lambda _: ""}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([shown.get(type(value), number)(value) for value in line] for line in lines)
    return buffer.getvalue().encode("utf-8-sig" if bom else "utf-8", "replace")


def safe(text: str) -> str:
    """`text` on one line, in a form that no spreadsheet takes for a formula."""
    return guarded(one_line(text)[:MAX_TEXT])


def guarded(text: str) -> str:
    """`text`, with an apostrophe in front if a spreadsheet would take it for a formula."""
    begins = text.lstrip(" \u00a0'\"")
    harmless = len(text.strip()) <= 1 or is_number(text)  # Moodle writes - for an empty cell
    return f"'{text}" if begins.startswith(_TRIGGERS) and not harmless else text


def plain(text: str) -> str:
    """The argument of the `safe` that returned `text`, if that was one line."""
    inner = text[1:]
    return inner if text.startswith("'") and safe(inner) == text else text


def is_number(text: str) -> bool:
    """True for text such as -1.5 and +3, which begins like a formula and is harmless."""
    body = text[1:] if text[:1] in "+-" else text
    return body.replace(".", "", 1).isascii() and body.replace(".", "", 1).isdigit()
