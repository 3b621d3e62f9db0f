"""Points that a person takes off: days late, and faults of a report.

An instructor keeps them in a CSV file with the columns name, days_late and report_penalty and
names it in GRADER_ADJUSTMENTS. Lessons whose formula uses them read it once per batch.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grader.errors import UsageError
from grader.text import Text

ENVIRONMENT = "GRADER_ADJUSTMENTS"
COLUMNS = ("name", "days_late", "report_penalty")


@dataclass(frozen=True)
class Adjustment:
    """What is taken off one submission."""

    days_late: float = 0.0
    report_penalty: float = 0.0


@dataclass(frozen=True)
class Adjustments:
    """What is taken off whom; nobody else loses anything."""

    by_name: Mapping[str, Adjustment] = field(default_factory=dict)
    fingerprint: str = ""
    """Changes with the file; empty without one."""

    def of(self, name: str) -> Adjustment:
        return self.by_name.get(name, Adjustment())


def load() -> Adjustments:
    """The file that GRADER_ADJUSTMENTS names, or none. Raises UsageError where it is missing or
    holds something else."""
    place = os.environ.get(ENVIRONMENT)
    return Adjustments() if not place else read(Path(place))


def read(path: Path) -> Adjustments:
    """The adjustments in a CSV file. Raises UsageError, see `load`."""
    try:
        raw = path.read_bytes()
        rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, str(error)) from error
    found = {}
    for number, row in enumerate(rows, start=2):
        try:
            values = [float(row[column] or 0.0) for column in COLUMNS[1:]]
            name = row["name"]
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(path, f"line {number}: {error}") from error
        if name in found or not all(math.isfinite(value) and value >= 0 for value in values):
            raise _unreadable(path, f"line {number}: {name!r} twice, or a number below 0")
        found[name] = Adjustment(*values)
    return Adjustments(found, hashlib.sha256(raw).hexdigest()[:12])


def _unreadable(path: Path, why: str) -> UsageError:
    columns = ",".join(COLUMNS)
    return UsageError(
        Text(
            en=f"{path}, which {ENVIRONMENT} names, is no table of {columns} ({why}); correct it.",
            ru=f"{path} из переменной {ENVIRONMENT} — не таблица {columns} ({why}); исправьте её.",
        )
    )
