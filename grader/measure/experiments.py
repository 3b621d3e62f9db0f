"""Read `experiments.csv`, the table in which a student records the settings tried."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

MAX_BYTES = 2**20
MAX_ROWS = 2_000
MAX_COLUMNS = 50


@dataclass(frozen=True)
class Experiment:
    """One recorded setting. Numbers are the student's own and prove nothing."""

    name: str
    values: dict[str, float]


@dataclass(frozen=True)
class Table:
    experiments: list[Experiment]
    problems: list[str]
    """What could not be read, a phrase each, e.g. `line 3: macs is "12k"`."""


def read(raw: bytes, numbers: tuple[str, ...]) -> Table:
    """Rows of a CSV file that has a column `name` and every column in `numbers`.

    Accepts what spreadsheets write: a byte order mark, `;` or tab as separator, decimal
    commas. A row with a missing or non-finite number is left out and named in `problems`.
    """
    if len(raw) > MAX_BYTES:
        return Table([], [f"the file has {len(raw):,} bytes, at most {MAX_BYTES:,} are read"])
    text = raw.decode("utf-8-sig", "replace").replace("\0", "")
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    try:
        rows = csv.DictReader(io.StringIO(text), delimiter=separator)
        columns = [name.strip().lower() for name in rows.fieldnames or []]
        if len(columns) > MAX_COLUMNS:
            return Table([], [f"{len(columns):,} columns, at most {MAX_COLUMNS} are read"])
        missing = [name for name in ("name", *numbers) if name not in columns]
        if missing:
            return Table([], [f"column {name} is missing" for name in missing])
        rows.fieldnames = columns
        return _rows(rows, numbers)
    except csv.Error as error:
        return Table([], [str(error)])


def _rows(rows: csv.DictReader[str], numbers: tuple[str, ...]) -> Table:
    table = Table([], [])
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            table.problems.append(f"only the first {MAX_ROWS} rows are read")
            break
        values = {name: _number(row.get(name)) for name in numbers}
        bad = [name for name, value in values.items() if value is None]
        if bad:
            table.problems.append(
                f"line {rows.line_num}: {bad[0]} is {str(row.get(bad[0]))[:40]!r}"
            )
        else:
            known = {name: value for name, value in values.items() if value is not None}
            table.experiments.append(Experiment((row["name"] or "").strip()[:80], known))
    return table


def _number(cell: str | None) -> float | None:
    try:
        number = float((cell or "").strip().replace(" ", "").replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
