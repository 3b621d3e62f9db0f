"""The students of a course, read from a CSV file of the instructor's own or an LMS's export.

Exports are recognized by their headers: Moodle's grading worksheet (Identifier, Full name, Email
address, ...) and list of participants, Canvas's gradebook (Student, ID, SIS User ID, ...), GitHub
Classroom's grades and roster. An instructor's own table has the column `name` and any of `id`,
`email`, `login`, `github`, `moodle`, `canvas`, `section`, `team`, `submitted`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from grader.semester.tables import no_table, rows
from grader.text import Text
from grader.text.untrusted import quoted


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """One person; unknown fields are empty."""

    id: str
    """Identifies the person in gradebooks and course.toml."""
    name: str = ""
    email: str = ""
    login: str = ""
    github: str = ""
    moodle: str = ""
    """Number of the participant in the assignment."""
    canvas: str = ""
    sis: str = ""
    section: str = ""
    team: str = ""
    """Members of a team hand in one submission."""
    listed: bool = True
    """False for a person who handed in and is not in the roster."""


class Entry(msgspec.Struct, frozen=True):
    """A row of a table: a person, and the time of handing in as the table writes it."""

    student: Student
    submitted: str = ""
    where: str = ""
    """Name of a folder or repository, if the table identifies submissions by it."""


_HEADS = {
    "id": ("id", "student id", "sid", "id number", "sis user id", "roster_identifier",
           "identifier", "номер", "табельный номер"),
    "name": ("name", "full name", "student", "student name", "фио", "имя", "студент",
             "полное название", "полное имя"),
    "email": ("email", "email address", "e-mail", "почта", "адрес электронной почты"),
    "login": ("login", "username", "user name", "sis login id", "логин"),
    "github": ("github", "github_username"),
    "moodle": ("moodle", "participant", "идентификатор"),
    "canvas": ("canvas",),
    "sis": ("sis", "sis user id"),
    "section": ("section", "group", "groups", "группа", "группы", "секция"),
    "team": ("team", "group_name", "команда"),
    "submitted": ("submitted", "submitted_at", "submission_timestamp",
                  "last modified (submission)", "последнее изменение (ответ)", "сдано"),
    "where": ("submission", "folder", "student_repository_name", "папка"),
}  # fmt: skip
_FIRST, _LAST = ("first name", "firstname", "имя"), ("last name", "lastname", "фамилия")
_PARTICIPANT = re.compile(r"\D*(\d+)")


def read(path: Path) -> list[Entry]:
    """The entries of a table. Raises UsageError when it cannot be read or has no student."""
    table = rows(path)
    heads = set(table[0]) if table else set()
    found = [one for row in table if (one := _entry(row, heads)) is not None]
    if not found:
        raise no_table(
            path,
            Text("no row names a student; expected a column `name`, `id` or `email`"),
        )
    return found


def require_distinct(entries: Iterable[Entry], path: Path) -> None:
    """Raises UsageError when an id occurs twice in a roster."""
    for identity, times in Counter(entry.student.id for entry in entries).items():
        if times > 1:
            shown = quoted(identity)
            raise no_table(path, Text("{shown} is there twice", shown=shown))


def without_teams(entries: Iterable[Entry]) -> list[Entry]:
    """The same entries without teams."""
    return [
        msgspec.structs.replace(one, student=msgspec.structs.replace(one.student, team=""))
        for one in entries
    ]


def _entry(row: Mapping[str, str], heads: set[str]) -> Entry | None:
    def cell(heads: tuple[str, ...]) -> str:
        return next((row[head] for head in heads if row.get(head)), "")

    cells = {field: cell(names) for field, names in _HEADS.items()}
    first, last = cell(_FIRST), cell(_LAST)
    if last:
        cells["name"] = f"{first} {last}".strip()
    if "points possible" in cells["name"].casefold() or cells["name"] == "Student, Test":
        return None  # rows of Canvas's gradebook that are not students
    mark = row.get("identifier") or row.get("идентификатор") or ""
    if mark and heads & {"status", "grade", "статус", "оценка"}:
        number = _PARTICIPANT.fullmatch(mark)
        cells["moodle"] = number[1] if number else ""
        cells["id"] = row.get("id number") or row.get("индивидуальный номер") or ""
        cells["team"], cells["section"] = row.get("group", ""), ""
    elif {"student", "section"} <= heads and "id" in heads:
        cells["canvas"], cells["id"] = row["id"], row.get("sis user id", "")
    known = ("id", "email", "login", "github", "moodle", "canvas", "name", "where", "team")
    identity = next((cells[field] for field in known if cells[field]), "")
    if not identity:
        return None
    where, submitted = cells.pop("where"), cells.pop("submitted")
    cells["id"] = identity
    return Entry(msgspec.convert(cells, Student), submitted, where)


class Directory:
    """Finds a student by the names and numbers in a download."""

    def __init__(self, people: Iterable[Student]) -> None:
        self._by: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.people = {one.id: one for one in people}
        for one in self.people.values():
            mailbox = one.email.partition("@")[0]
            for key in (one.id, one.login, one.email, mailbox, one.github, one.sis):
                self._add("key", key, one.id)
            for field in ("moodle", "canvas", "team"):
                self._add(field, getattr(one, field), one.id)
            # In each rotation of its parts and without spaces, as Canvas writes names.
            parts = [part for part in re.split(r"[\s,]+", one.name) if part]
            for at in range(len(parts)):
                self._add("name", "".join(parts[at:] + parts[:at]), one.id)

    def find(self, who: str, number: str, layout: str) -> Student | None:
        """The student with this name or number; None when there is none or more than one."""
        return (
            self._only(layout, number)
            or self._only("key", who)
            or self._only("name", who)
            or (self._only_part(who) if layout == "plain" else None)
        )

    def team(self, name: str) -> str:
        """The team with this name; empty when there is none."""
        found = self._by["team"].get(folded(name), set())
        return self.people[min(found)].team if found else ""

    def _add(self, kind: str, value: str, owner: str) -> None:
        if value:
            self._by[kind][folded(value)].add(owner)

    def _only(self, kind: str, value: str) -> Student | None:
        found = self._by[kind].get(folded(value), set()) if value else set()
        return self.people[next(iter(found))] if len(found) == 1 else None

    def _only_part(self, who: str) -> Student | None:
        """The student in a folder name with other parts, such as `s17_hw2` or `Ivanov v2`."""
        plain = re.sub(r"[\s_-]*(\(\d+\)|v\d+)$", "", who, flags=re.IGNORECASE)
        if plain != who:
            found = self._only("key", plain) or self._only("name", plain)
            if found:
                return found
        parts = [one for part in re.split(r"[\s_]+", who) if (one := self._only("key", part))]
        return parts[0] if len({one.id for one in parts}) == 1 else None


def folded(text: str) -> str:
    """`text` without differences in case, width, ё, spaces and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    kept = "".join(char for char in plain if char.isalnum())
    return kept or plain.strip()
