"""Moodle: the grading worksheet, and feedback files for the whole class.

Of the worksheet ("Download grading worksheet" of an assignment with that feedback type) Moodle
reads the columns Identifier (`Participant 12345`), Grade, Last modified (grade) and those of the
feedback types; the others are for people. Feedback files lie in folders with the names of the
download: `Full Name_12345_assignsubmission_file_`.
"""

from __future__ import annotations

import html
from pathlib import Path

from grader.gradebook.book import Export, Graded, Result, Value, number, score_why
from grader.gradebook.files import guarded, to_csv
from grader.intake import downloads
from grader.semester.roster import Student
from grader.semester.tables import GIVE_EXPORT, no_table, read_lines
from grader.text import Lang, Text
from grader.text.untrusted import one_line

HEAD = ("Identifier", "Full name", "ID number", "Email address", "Status", "Grade",
        "Maximum grade", "Grade can be changed", "Last modified (submission)",
        "Last modified (grade)", "Feedback comments")  # fmt: skip
_NAMES = {
    "identifier": ("identifier", "идентификатор"),
    "name": ("full name", "полное имя", "полное название", "фамилия, имя"),
    "id": ("id number", "индивидуальный номер"),
    "email": ("email address", "адрес электронной почты"),
    "grade": ("grade", "оценка"),
    "most": ("maximum grade", "максимальная оценка"),
    "open": ("grade can be changed", "оценка может быть изменена"),
    "comments": ("feedback comments", "отзыв в виде комментария"),
}


def worksheet(graded: Graded, lang: Lang, template: Path | None, missing: str) -> Export:
    """The worksheet with grades and comments, to be uploaded as it is.

    `template` is Moodle's export. Without it there is a row for each student whose number is
    known."""
    if template is not None:
        return _filled(graded, lang, template, missing)
    lines: list[list[Value]] = [list(HEAD)]
    unmatched = []
    for result in graded.results.values():
        one = result.student
        if not one.moodle:
            unmatched.append(one.name or one.id)
            continue
        score = graded.scaled(result, "", missing)
        shown = number(score) if score is not None else ""
        email, most = one.email, number(graded.spec.max_score)
        lines.append([f"Participant {one.moodle}", one.name, one.id, email, result.status, shown,
                      most, "Yes", "", "", _comment(graded, result, lang)])  # fmt: skip
    return Export(to_csv(lines), len(lines) - 1, unmatched)


def _filled(graded: Graded, lang: Lang, template: Path, missing: str) -> Export:
    lines = read_lines(template, GIVE_EXPORT)
    heads = [head.strip().casefold() for head in lines[0]]
    at = {
        field: next((heads.index(name) for name in names if name in heads), -1)
        for field, names in _NAMES.items()
    }
    if at["identifier"] < 0 or at["grade"] < 0:
        raise no_table(
            template,
            Text("it is no grading worksheet of Moodle: there is no Identifier or no Grade"),
        )
    filled, strangers, found = 0, [], set()
    for line in lines[1:]:
        line += [""] * (len(heads) - len(line))

        def cell(field: str, line: list[str] = line) -> str:
            return line[at[field]].strip() if at[field] >= 0 else ""

        digits = "".join(char for char in cell("identifier") if char.isdigit())
        row = Student(id=cell("id"), name=cell("name"), email=cell("email"))
        result = graded.find(row, digits, "moodle")
        if result is None:
            strangers.append(cell("name") or cell("identifier"))
            continue
        found.add(result.student.id)
        if cell("open").casefold() in ("no", "нет"):
            continue
        score = graded.scaled(result, cell("most"), missing)
        if score is not None:
            line[at["grade"]] = number(score)
            filled += 1
        if at["comments"] >= 0:
            line[at["comments"]] = _comment(graded, result, lang)
    unmatched = [
        one.student.name or one.student.id
        for one in graded.results.values()
        if one.student.id not in found
    ]
    return Export(to_csv(lines, text=guarded), filled, unmatched, strangers)


def _comment(graded: Graded, result: Result, lang: Lang) -> str:
    """The reason of the score as HTML, which Moodle expects."""
    return html.escape(one_line(score_why(graded, result).to(lang)), quote=False)


def feedback(graded: Graded) -> tuple[dict[str, Path], list[str]]:
    """The reports by their names in the archive to upload, and the students without one."""
    files, without = {}, []
    for result in graded.results.values():
        if result.submission is None:
            continue
        folder = _folder(result)
        report = graded.report(result.submission)
        if folder is None or not report.is_file():
            without.append(result.student.name or result.student.id)
        else:
            files[f"{folder}/report.html"] = report
    return files, without


def _folder(result: Result) -> str | None:
    """The name of the student's folder: that of the download, or for the other members of a team
    one with their number."""
    assert result.submission is not None
    for version in reversed(result.submission.versions):
        if version.student == result.student.id:
            for label in filter(None, map(downloads.moodle, version.files)):
                return f"{label.who}_{label.number}_assignsubmission_file_"
    if not result.student.moodle:
        return None
    name = result.student.name.replace("_", " ").replace("/", " ") or "Participant"
    return f"{name}_{result.student.moodle}_assignsubmission_file_"
