"""Canvas: the CSV file of the gradebook, and feedback files for the whole class.

The gradebook (GradebookImporter) has the columns Student, ID, SIS User ID, SIS Login ID, Section,
and then one for each assignment, `Title (id)`. Below the heads there may be a row about posting,
and one with the name `    Points Possible`. Students are matched by ID, SIS ids, or name. A file
that is uploaded with "Upload Submissions" becomes a comment if its name contains the user's and
the attachment's number, as in the download.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from grader.gradebook.book import Export, Graded, Value, everyone, number
from grader.gradebook.files import guarded, to_csv
from grader.intake import downloads
from grader.semester.roster import Student, folded
from grader.semester.tables import GIVE_EXPORT, no_table, read_lines
from grader.text import Text
from grader.text.errors import UsageError
from grader.text.untrusted import quoted

HEAD = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POSSIBLE = "    Points Possible"
_IDENTITY = {*HEAD, "LastName", "FirstName", "Integration ID", "Root Account"}
_NUMBER = re.compile(r"\s*\(\d+\)$")


def gradebook(
    classes: Sequence[Graded], template: Path | None, column: str | None, missing: str
) -> Export:
    """The CSV file to import, with a column for each lesson.

    `template` is Canvas's export. Without it the columns have the lessons' titles, and Canvas makes
    new assignments of them."""
    if template is not None:
        return _filled(classes, template, column, missing)
    titles = [str(graded.spec.title) for graded in classes]
    points = [graded.spec.max_score for graded in classes]
    lines: list[list[Value]] = [[*HEAD, *titles], [POSSIBLE, "", "", "", "", *points]]
    people = everyone(classes)
    for one in people.values():
        results = ((graded, graded.results.get(one.id)) for graded in classes)
        scores = [graded.scaled(own, "", missing) if own else None for graded, own in results]
        lines.append([one.name, one.canvas, one.sis or one.id, one.login, one.section, *scores])
    return Export(to_csv(lines), len(people))


def _filled(classes: Sequence[Graded], template: Path, column: str | None, missing: str) -> Export:
    lines = read_lines(template, GIVE_EXPORT)
    heads = [head.strip() for head in lines[0]]
    if "ID" not in heads or not {"Student", "LastName"} & set(heads):
        raise no_table(
            template,
            Text("it is no gradebook of Canvas: there is no Student or no ID"),
        )
    places = [_column(heads, graded, column if len(classes) == 1 else None) for graded in classes]
    kept = [at for at, head in enumerate(heads) if head in _IDENTITY]
    possible = next((line for line in lines[1:] if _is_possible(line)), [])
    rows: list[list[Value]] = [[heads[at] for at in (*kept, *places)]]
    filled, strangers, found = 0, [], set()
    for line in lines[1:]:
        line += [""] * (len(heads) - len(line))
        row = _student(dict(zip(heads, line, strict=False)))
        scores: list[Value] = [line[at] for at in places]
        if not _is_possible(line) and row is not None:
            results = [graded.find(row, row.canvas, "canvas") for graded in classes]
            known = {result.student.id for result in results if result is not None}
            found |= known
            filled += bool(known)
            if not known:
                strangers.append(row.name)
            for index, (result, graded) in enumerate(zip(results, classes, strict=True)):
                most = possible[places[index]] if places[index] < len(possible) else ""
                score = graded.scaled(result, most, missing) if result else None
                scores[index] = scores[index] if score is None else number(score)
        rows.append([*(line[at] for at in kept), *scores])
    people = everyone(classes).values()
    unmatched = [one.name or one.id for one in people if one.id not in found]
    return Export(to_csv(rows, text=guarded), filled, unmatched, strangers)


def _column(heads: list[str], graded: Graded, wanted: str | None) -> int:
    """The place of the lesson's column. Raises UsageError when none or several may be meant."""
    titles = {graded.spec.name, *graded.spec.title.sentences().values()}
    names = {folded(name) for name in ({wanted} if wanted else titles) if name}
    found = [
        at
        for at, head in enumerate(heads)
        if head not in _IDENTITY and {folded(head), folded(_NUMBER.sub("", head))} & names
    ]
    if len(found) == 1:
        return found[0]
    others = ", ".join(quoted(head) for head in heads if head not in _IDENTITY)
    raise UsageError(
        "No column of the export, or more than one, is called as {name}; choose one with "
        "--column: {others}.",
        name=graded.spec.name,
        others=others,
    )


def _is_possible(line: Sequence[str]) -> bool:
    return any("Points Possible" in cell for cell in line[:2])


def _student(row: dict[str, str]) -> Student | None:
    name = row.get("Student") or f"{row.get('FirstName', '')} {row.get('LastName', '')}".strip()
    if not name and not row.get("ID"):
        return None
    return Student(
        id=row.get("SIS User ID") or row.get("ID") or name,
        name=name,
        sis=row.get("SIS User ID", ""),
        login=row.get("SIS Login ID", ""),
        canvas=row.get("ID", ""),
    )


def feedback(graded: Graded) -> tuple[dict[str, Path], list[str]]:
    """The reports by their names in the archive to upload, and the submissions without one."""
    files, without = {}, []
    for one in graded.record.submissions:
        counted = next((version for version in one.versions if version.counts), None)
        labels = filter(None, map(downloads.canvas, counted.files if counted else ()))
        label, report = next(labels, None), graded.report(one)
        if label is None or not label.attachment or not report.is_file():
            without.append(one.name)
        else:
            late = "_LATE" if label.late else ""
            files[f"{label.who}{late}_{label.number}_{label.attachment}_report.html"] = report
    return files, without
