"""`OUT/handed_in.json`: who handed in what and when, which version counts, and who did not.

Of several versions the latest counts: by the time of handing in where it is known, else by what the
download says about their order (Canvas's attachment ids, numbers behind names). A team's versions
are those of its members.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import msgspec

from grader.intake.candidates import Candidate
from grader.intake.downloads import Download, Layout, Version
from grader.lesson.grades import write_atomically
from grader.semester import roster as repositories
from grader.semester.roster import Directory, Entry, Student, folded
from grader.semester.tables import moment
from grader.text import EMPTY, Text
from grader.text.errors import UsageError

SCHEMA = 1
FILE = "handed_in.json"

BY_TABLE = Text(en="from the table of times", ru="из таблицы времён сдачи")
BY_GIT = Text(
    en="time of the last commit, as the student's computer wrote it",
    ru="время последнего коммита по часам студента",
)
UNKNOWN = Text(en="the time of handing in is not known", ru="время сдачи неизвестно")


class HandIn(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as the download has it."""

    student: str
    files: list[str]
    submitted: datetime | None = None
    time: Text = UNKNOWN
    """Where the time is from."""
    late: bool = False
    """Marked as late by the LMS."""
    counts: bool = True
    why: Text = EMPTY
    """Why it counts, or which does."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What is graded once, for one student or a team."""

    name: str
    """Of the grade."""
    students: list[str]
    team: str = ""
    submitted: datetime | None = None
    time: Text = UNKNOWN
    """Where the time is from."""
    late: bool = False
    versions: list[HandIn] = []


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Files that the batch was given, for the commands after it."""

    course: str = ""
    roster: str = ""
    times: str = ""


class HandedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a class and one lesson but its grades."""

    schema: int = SCHEMA
    lesson: str
    layout: Layout
    given: Given = Given()
    students: list[Student]
    submissions: list[Submission]
    missing: list[str] = []
    """Of the roster, those without a submission."""
    loose: list[str] = []
    """Entries of the download that nobody handed in."""

    def student(self, identity: str) -> Student:
        return next(one for one in self.students if one.id == identity)


def read(out: Path) -> HandedIn | None:
    """What is kept in `out`, None where there is nothing that can be read."""
    try:
        found = msgspec.json.decode((out / FILE).read_bytes(), type=HandedIn)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.schema == SCHEMA else None


def write(out: Path, handed_in: HandedIn) -> None:
    raw = msgspec.json.format(msgspec.json.encode(handed_in), indent=2) + b"\n"
    write_atomically(out / FILE, raw)


def collect(
    download: Download,
    lesson: str,
    roster: list[Entry] | None,
    times: Iterable[Entry] = (),
    zone: tzinfo = UTC,
    given: Given | None = None,
) -> tuple[HandedIn, list[Candidate]]:
    """Who handed in what, and what is to be graded: the version that counts, for each team once."""
    people = [entry.student for entry in roster or ()]
    directory = Directory(people)
    known = _times([*(roster or ()), *times], zone)
    # Without a roster, a table of times may say more of a person than the download does.
    others = Directory(_distinct(entry.student for entry in times if roster is None))
    owned: dict[str, list[tuple[Version, HandIn]]] = defaultdict(list)
    persons: dict[str, Student] = {}
    teams: dict[str, str] = {}
    owners = _owners(download, directory)
    for version in download.versions:
        team = directory.team(version.who) if download.layout in ("github", "plain") else ""
        owner = None if team else owners.get(_identity(version))
        student = owner or _stranger(version, download.layout, others)
        submitted, time = _time(version, student, known), BY_TABLE
        if submitted is None and download.layout == "github":
            submitted, time = repositories.committed(version.path), BY_GIT
        key = f"team:{team or student.team}" if team or student.team else f"student:{student.id}"
        teams[key] = team or student.team
        if not team:
            persons[student.id] = student
        hand_in = HandIn(
            student="" if team else student.id,
            files=list(version.files),
            submitted=submitted,
            time=UNKNOWN if submitted is None else time,
            late=version.late,
        )
        owned[key].append((version, hand_in))
    submissions, candidates = [], []
    used: set[str] = set()
    for key, versions in owned.items():
        members = _members(people, teams[key], [one.student for _, one in versions])
        submission, candidate = _submission(versions, teams[key], members, used)
        submissions.append(submission)
        candidates.append(candidate)
    listed = {one.id for one in people}
    everybody = [*people, *(one for one in persons.values() if one.id not in listed)]
    handed = {identity for one in submissions for identity in one.students}
    return HandedIn(
        lesson=lesson,
        layout=download.layout,
        given=given or Given(),
        students=everybody,
        submissions=sorted(submissions, key=lambda one: one.name),
        missing=[one.id for one in people if one.id not in handed],
        loose=download.loose,
    ), sorted(candidates, key=lambda one: one.name)


def required(out: Path) -> HandedIn:
    """As `read`. Raises UsageError where a batch has left nothing."""
    found = read(out)
    if found is None:
        raise UsageError(
            Text(
                en=f"{out / FILE} is missing or damaged; run grader batch into {out} again, it "
                "grades nothing twice.",
                ru=f"Файла {out / FILE} нет или он повреждён; снова запустите grader batch с "
                f"--out {out}: повторно ничего проверяться не будет.",
            )
        )
    return found


# One submission -----------------------------------------------------------------------------


def _submission(
    versions: list[tuple[Version, HandIn]],
    team: str,
    members: list[str],
    used: set[str],
) -> tuple[Submission, Candidate]:
    best = max(versions, key=_rank)
    counted = best[1]
    unclear = sum(_rank(one)[:4] == _rank(best)[:4] for one in versions) > 1
    # The shortest: a new version must not give the submission another name.
    first = min((version.name for version, _ in versions), key=lambda name: (len(name), name))
    name = _free(team or first, used)
    kept = [
        msgspec.structs.replace(
            one, counts=one is counted, why=_why(one, counted, len(versions), unclear)
        )
        for _, one in sorted(versions, key=_rank)
    ]
    submission = Submission(
        name=name,
        students=members,
        team=team,
        submitted=counted.submitted,
        time=counted.time,
        late=counted.late,
        versions=kept,
    )
    return submission, Candidate(name, best[0].path)


def _rank(one: tuple[Version, HandIn]) -> tuple[bool, float, int, int, int]:
    version, hand_in = one
    at = hand_in.submitted.timestamp() if hand_in.submitted else 0.0
    # A table may know the time of the last version only, and then says it for each.
    number = _number(version.name)
    return not version.superseded, at, version.order, number, -len(version.name)


def _number(name: str) -> int:
    """`work (2)`, `work_v3`: 2 and 3."""
    found = re.search(r"(?:\((\d+)\)|[ _-]v?(\d+))$", name)
    return int(found[1] or found[2]) if found and len(found[1] or found[2]) < 4 else 0


def _why(one: HandIn, counted: HandIn, versions: int, unclear: bool) -> Text:
    if one is counted and versions == 1:
        return Text(en="the only version", ru="единственная версия")
    if one is counted and unclear:
        return Text(
            en="nothing says which version is the latest, so this one counts; give --times",
            ru="какая версия последняя, неизвестно, засчитана эта; укажите --times",
        )
    if one is counted:
        return Text(en="the latest version counts", ru="засчитывается последняя версия")
    files = ", ".join(counted.files[:3])
    return Text(
        en=f"a later version counts: {files}", ru=f"засчитывается более поздняя версия: {files}"
    )


def _free(name: str, used: set[str]) -> str:
    chosen, number = name, 2
    while folded(chosen) in used:
        chosen, number = f"{name} ({number})", number + 1
    used.add(folded(chosen))
    return chosen


def _members(people: list[Student], team: str, handed: list[str]) -> list[str]:
    members = [one.id for one in people if team and one.team == team]
    members += [one for one in handed if one]
    return list(dict.fromkeys(members))


def _identity(version: Version) -> tuple[str, str]:
    return version.number, version.name


def _owners(download: Download, directory: Directory) -> dict[tuple[str, str], Student]:
    """Of each student of the download the one in the roster.

    Numbers of an LMS are people: where two of them go by one name, that name says nothing, and a
    work is its owner's only by the number."""
    found: dict[tuple[str, str], Student] = {}
    numbers: dict[str, set[str]] = defaultdict(set)
    for version in download.versions:
        owner = directory.find(version.who, version.number, download.layout)
        if owner is not None:
            found[_identity(version)] = owner
            numbers[owner.id].add(version.number)
    return {
        key: owner
        for key, owner in found.items()
        if len(numbers[owner.id]) == 1 or key[0] in (owner.moodle, owner.canvas)
    }


def _stranger(version: Version, layout: Layout, directory: Directory) -> Student:
    """Somebody who is not in the roster, or everybody where there is none."""
    other = directory.find(version.who, version.number, layout)
    if other is not None and version.number in (other.moodle, other.canvas, ""):
        return msgspec.structs.replace(other, listed=False)
    number = {layout: version.number} if layout in ("moodle", "canvas") else {}
    login = {"github": version.who} if layout == "github" else {}
    return Student(id=version.name, name=version.who, listed=False, **number, **login)


# Times --------------------------------------------------------------------------------------


def _times(entries: Iterable[Entry], zone: tzinfo) -> dict[str, datetime]:
    """Times of handing in by everything that a student or a folder may be known by."""
    found: dict[str, datetime] = {}
    for entry in entries:
        time = moment(entry.submitted, zone) if entry.submitted else None
        if time is None:
            continue
        one = entry.student
        keys = {
            f"where:{folded(entry.where)}" if entry.where else "",
            *(
                f"{kind}:{folded(value)}"
                for kind, value in (
                    ("moodle", one.moodle),
                    ("canvas", one.canvas),
                    ("key", one.id),
                    ("key", one.login),
                    ("key", one.email),
                    ("key", one.github),
                    # Two may have one name, but not one number.
                    ("key", "" if one.moodle or one.canvas else one.name),
                )
                if value
            ),
        }
        for key in keys - {""}:
            found[key] = max(found.get(key, time), time)
    return found


def _time(version: Version, student: Student, known: Mapping[str, datetime]) -> datetime | None:
    keys = [f"where:{folded(name)}" for name in (*version.files, version.name)]
    keys += [f"moodle:{folded(student.moodle)}"] if student.moodle else []
    keys += [f"canvas:{folded(student.canvas)}"] if student.canvas else []
    values = (student.id, student.login, student.email, student.github, student.name, version.name)
    keys += [f"key:{folded(value)}" for value in values if value]
    return next((known[key] for key in keys if key in known), None)


def _distinct(people: Iterable[Student]) -> list[Student]:
    return list({one.id: one for one in people}.values())
