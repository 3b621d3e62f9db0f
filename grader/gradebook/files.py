"""A gradebook as a file of one's own: CSV, Excel, JSON lines."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field

from grader.gradebook.book import MAX_TEXT, Book, Value, to_csv
from grader.text import Lang
from grader.text.untrusted import one_line


def as_csv(book: Book) -> bytes:
    """For spreadsheets: UTF-8 with a mark, so that Excel reads names in every script."""
    return to_csv(
        [book.columns, *([cell.value for cell in row.cells] for row in book.rows)], bom=True
    )


def as_json_lines(book: Book, lang: Lang) -> bytes:
    """An object a student: the cells, and why each is what it is."""
    lines = [
        json.dumps(
            {
                "student": row.student.id,
                "cells": {
                    name: cell.value for name, cell in zip(book.columns, row.cells, strict=True)
                },
                "why": {
                    name: cell.why.to(lang)
                    for name, cell in zip(book.columns, row.cells, strict=True)
                },
            },
            ensure_ascii=False,
        )
        for row in book.rows
    ]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def as_excel(book: Book, lang: Lang) -> bytes:
    """Two sheets with the same places: the grades, and why each cell is what it is."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    workbook = Workbook()
    grades, why = workbook.active, workbook.create_sheet("why")
    assert grades is not None
    grades.title = "grades"
    tables: list[tuple[object, list[list[Value]]]] = [
        (grades, [[cell.value for cell in row.cells] for row in book.rows]),
        (why, [[cell.why.to(lang) for cell in row.cells] for row in book.rows]),
    ]
    for sheet, lines in tables:
        _fill(sheet, [list(book.columns), *lines])
        for cell in sheet[1]:  # type: ignore[index]
            cell.font = Font(bold=True)
        sheet.freeze_panes = "C2"  # type: ignore[attr-defined]
    raw = io.BytesIO()
    workbook.save(raw)
    return raw.getvalue()


def _fill(sheet: object, lines: list[list[Value]]) -> None:
    """Text is stored as text, whatever it begins with: there is no formula to escape."""
    for at, line in enumerate(lines, start=1):
        for column, value in enumerate(line, start=1):
            if value is None:
                continue
            cell = sheet.cell(at, column)  # type: ignore[attr-defined]
            if isinstance(value, str):
                cell.value = one_line(value)[:MAX_TEXT]
                cell.data_type = "s"
                cell.quotePrefix = True
            else:
                cell.value = round(value, 4)


# What was written for an LMS, and who is not in it.


@dataclass(frozen=True)
class Written:
    raw: bytes
    rows: int
    """Students with a grade in it."""
    unmatched: list[str] = field(default_factory=list)
    """Students of the class who are not in it."""
    strangers: list[str] = field(default_factory=list)
    """Rows of the LMS's export whom the class does not know; they stay as they are."""
