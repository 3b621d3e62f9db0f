"""An LMS's own export, to be filled in: whose row is whose, and in what scale it counts."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from grader.gradebook.book import Graded, Result
from grader.semester.roster import Directory, Student
from grader.semester.tables import decoded, no_table
from grader.text import Text
from grader.text.errors import UsageError


def table(path: Path) -> list[list[str]]:
    """The lines of an export, as they are. Raises UsageError when it cannot be read."""
    try:
        text = decoded(path.read_bytes())
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            Text(
                en=f"{path} cannot be read ({reason}); give the LMS's export.",
                ru=f"Не удаётся прочитать {path} ({reason}); укажите выгрузку из LMS.",
            )
        ) from error
    except csv.Error as error:
        raise no_table(path, str(error), str(error)) from error
    if not lines:
        raise no_table(path, "it is empty", "он пуст")
    return lines


class Owners:
    """Finds the result of the student that a row of an export is about."""

    def __init__(self, graded: Graded, layout: str) -> None:
        self._results = graded.results
        self._directory = Directory(one.student for one in graded.results.values())
        self._layout = layout

    def result(self, row: Student, number: str) -> Result | None:
        """None for somebody whom the class does not know."""
        words = (row.id, row.sis, row.email, row.login, row.name)
        found = self._directory.find("", number, self._layout)
        for word in words:
            found = found or (self._directory.find(word, "", self._layout) if word else None)
        return self._results[found.id] if found else None


def scaled(result: Result, most: str, graded: Graded, missing: str) -> float | None:
    """A score in the export's scale; None where the cell stays empty."""
    if result.submission is None and missing == "blank":
        return None
    if result.score is None:
        return None
    try:
        scale = float(most.replace(",", ".")) / graded.spec.max_score
    except ValueError:
        scale = 1.0
    return result.score * scale if scale > 0 else result.score
