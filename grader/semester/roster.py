"""Who is in the course: a CSV of one's own, or a table that an LMS exports.

Known by their headers: Moodle's grading worksheet (Identifier, Full name, Email address, ...) and
list of participants, Canvas's gradebook (Student, ID, SIS User ID, ...), GitHub Classroom's grades
and roster. A table of one's own has `name`, and what else there is of `id`, `email`, `login`,
`github`, `moodle`, `canvas`, `section`, `team`, `submitted`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec

from grader.intake.listing import open_file
from grader.semester.tables import no_table, rows
from grader.text.errors import Rejected
from grader.text.untrusted import quoted


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """One person; what is not known is empty."""

    id: str
    """How the course calls this person, in gradebooks and course.toml."""
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
    """False for somebody who handed in and is not in the roster."""


class Entry(msgspec.Struct, frozen=True):
    """A row of a table: a person, and when something was handed in, as the table writes it."""

    student: Student
    submitted: str = ""
    where: str = ""
    """Name of a folder or repository, where the table goes by that."""


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
    """The people in a table. Raises UsageError when it is none, names nobody, or one id twice."""
    table = rows(path)
    heads = set(table[0]) if table else set()
    found = [one for row in table if (one := _entry(row, heads)) is not None]
    if not found:
        raise no_table(
            path,
            "no row names a student; expected a column `name`, `id` or `email`",
            "ни в одной строке нет студента; ожидался столбец `name`, `id` или `email`",
        )
    return found


def students(entries: Iterable[Entry], path: Path) -> list[Student]:
    """The people of a roster. Raises UsageError when one id is there twice."""
    found: dict[str, Student] = {}
    for entry in entries:
        if entry.student.id in found:
            shown = quoted(entry.student.id)
            raise no_table(path, f"{shown} is there twice", f"{shown} встречается дважды")
        found[entry.student.id] = entry.student
    return list(found.values())


def without_teams(entries: Iterable[Entry]) -> list[Entry]:
    """The same people, each for themselves."""
    return [
        msgspec.structs.replace(one, student=msgspec.structs.replace(one.student, team=""))
        for one in entries
    ]


def _entry(row: Mapping[str, str], heads: set[str]) -> Entry | None:
    cells = {
        field: next((row[head] for head in names if row.get(head)), "")
        for field, names in _HEADS.items()
    }
    first, last = (
        next((row[head] for head in names if row.get(head)), "") for names in (_FIRST, _LAST)
    )
    if last:
        cells["name"] = f"{first} {last}".strip()
    if "points possible" in cells["name"].casefold() or cells["name"] == "Student, Test":
        return None  # rows of Canvas's gradebook that are nobody
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


# Who handed in ------------------------------------------------------------------------------


class Directory:
    """Finds a person by what a download says."""

    def __init__(self, people: Iterable[Student]) -> None:
        self._by: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.people = {one.id: one for one in people}
        for one in self.people.values():
            for field in ("id", "login", "email", "github", "sis"):
                self._add("key", getattr(one, field), one.id)
            self._add("key", one.email.partition("@")[0], one.id)
            for field in ("moodle", "canvas", "team"):
                self._add(field, getattr(one, field), one.id)
            for name in _spellings(one.name):
                self._add("name", name, one.id)

    def find(self, who: str, number: str, layout: str) -> Student | None:
        """The one person that is meant; None where nobody or more than one is."""
        if layout in ("moodle", "canvas") and (by := self._only(layout, number)):
            return by
        return (
            self._only("key", who)
            or self._only("name", who)
            or (self._only_part(who) if layout == "plain" else None)
        )

    def team(self, name: str) -> str:
        """The team that is called so, empty where there is none."""
        found = self._by["team"].get(folded(name), set())
        return self.people[min(found)].team if found else ""

    def _add(self, kind: str, value: str, owner: str) -> None:
        if value:
            self._by[kind][folded(value)].add(owner)

    def _only(self, kind: str, value: str) -> Student | None:
        found = self._by[kind].get(folded(value), set()) if value else set()
        return self.people[next(iter(found))] if len(found) == 1 else None

    def _only_part(self, who: str) -> Student | None:
        """`s17_hw2`, `Ivanov v2`: a folder that is named after a person and something else."""
        plain = re.sub(r"[\s_-]*(\(\d+\)|v\d+)$", "", who, flags=re.IGNORECASE)
        if plain != who:
            found = self._only("key", plain) or self._only("name", plain)
            if found:
                return found
        parts = [one for part in re.split(r"[\s_]+", who) if (one := self._only("key", part))]
        return parts[0] if len({one.id for one in parts}) == 1 else None


def folded(text: str) -> str:
    """Equal for what people write for the same: case, width, ё, spaces and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    kept = "".join(char for char in plain if char.isalnum())
    return kept or plain.strip()


def _spellings(name: str) -> set[str]:
    """First name first and last name first, as Canvas runs them together."""
    parts = [part for part in re.split(r"[\s,]+", name) if part]
    return {"".join(parts[at:] + parts[:at]) for at in range(len(parts))}


# When a clone's last commit was made. The clone is a student's: its configuration, hooks and
# attributes are never read, git sees its objects only, from an empty repository of ours.


_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/heads/[\w][\w./-]*")
_COMMITTER = re.compile(rb"^committer [^\n]*> (\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_SECONDS = 20


def committed(clone: Path) -> datetime | None:
    """Time of the commit that is checked out in `clone`; None where git does not tell."""
    folder = clone / ".git"
    objects = folder / "objects"
    git = shutil.which("git")
    if git is None or folder.is_symlink() or objects.is_symlink() or not objects.is_dir():
        return None
    head = _head(folder)
    if head is None:
        return None
    with tempfile.TemporaryDirectory(prefix="grader-git-") as empty:
        own = {"PATH": os.environ.get("PATH", ""), "GIT_CONFIG_NOSYSTEM": "1", "HOME": empty}
        own |= {"GIT_CONFIG_GLOBAL": os.devnull, "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")}
        try:
            _run([git, "init", "--quiet", "--bare", empty], own)
            own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(objects.resolve())
            raw = _run([git, f"--git-dir={empty}", "cat-file", "commit", head], own)
        except (OSError, subprocess.SubprocessError):
            return None
    header = raw.partition(b"\n\n")[0]
    found = _COMMITTER.search(header)
    try:
        return datetime.fromtimestamp(int(found[1]), UTC) if found else None
    except (OverflowError, ValueError, OSError):
        return None


def _head(folder: Path) -> str | None:
    """The commit that HEAD names, directly or by a branch."""
    text = _text(folder, "HEAD")
    if text.startswith("ref: "):
        ref = text.removeprefix("ref: ")
        if not _REF.fullmatch(ref) or ".." in ref:
            return None
        text = _text(folder, ref) or _packed(folder, ref)
    return text if _COMMIT.fullmatch(text) else None


def _packed(folder: Path, ref: str) -> str:
    lines = (line.split(" ") for line in _text(folder, "packed-refs", 2**22).splitlines())
    return next((line[0] for line in lines if len(line) == 2 and line[1] == ref), "")


def _text(folder: Path, name: str, limit: int = 4096) -> str:
    try:
        with open_file(folder, PurePosixPath(name)) as file:
            return file.read(limit).decode("utf-8", "replace").strip()
    except (OSError, Rejected):
        return ""


def _run(command: list[str], environment: dict[str, str]) -> bytes:
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=True,
    ).stdout
