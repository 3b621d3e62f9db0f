"""`OUT/handed_in.json`: who handed in what and when, which version counts, and who did not.

The latest of several versions counts: by the time of handing in if it is known, otherwise by what
the download says about their order (Canvas's attachment ids, numbers at the end of names). A
team's versions are those of its members.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath

import msgspec

from grader.intake.candidates import Candidate
from grader.intake.downloads import LAYOUTS, Download, Version
from grader.intake.listing import open_file
from grader.lesson.grades import write_atomically
from grader.semester.roster import Directory, Entry, Student, folded
from grader.semester.tables import moment
from grader.text import EMPTY, Text, from_json, to_json
from grader.text.errors import Rejected, UsageError

SCHEMA = 1
FILE = "handed_in.json"
BY_TABLE = Text("from the table of times")
BY_GIT = Text("time of the last commit, as the student's computer wrote it")
UNKNOWN = Text("the time of handing in is not known")
GIT_SECONDS = 20
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/heads/[\w][\w./-]*")
_COMMITTER = re.compile(rb"^committer [^\n]*> (\d{1,12}) [+-]\d{4}$", re.MULTILINE)


class SubmittedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as the download has it."""

    student: str
    files: list[str]
    submitted: datetime | None = None
    time: Text = UNKNOWN
    """The source of the time."""
    late: bool = False
    """Marked as late by the LMS."""
    counts: bool = True
    why: Text = EMPTY
    """Why it counts, or which version does."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What one student or one team handed in; it has one grade."""

    name: str
    """The name of the grade."""
    students: list[str]
    team: str = ""
    submitted: datetime | None = None
    time: Text = UNKNOWN
    """The source of the time."""
    late: bool = False
    versions: list[SubmittedVersion] = []


class SourceFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute paths of the files that the batch was given, for later commands."""

    course: str = ""
    roster: str = ""
    times: str = ""


class ClassRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known about a class and one lesson except the grades."""

    schema: int = SCHEMA
    lesson: str
    layout: str
    given: SourceFiles = SourceFiles()
    students: list[Student]
    submissions: list[Submission]
    missing: list[str] = []
    """Ids of students in the roster without a submission."""
    loose: list[str] = []
    """Entries of the download that nobody handed in."""


def read(out: Path) -> ClassRecord | None:
    """The record in `out`; None when there is none that can be read."""
    try:
        found = from_json((out / FILE).read_bytes(), ClassRecord)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.schema == SCHEMA else None


def required(out: Path) -> ClassRecord:
    """The record in `out`. Raises UsageError when there is none that can be read."""
    found = read(out)
    if found is None:
        raise UsageError(
            "{out} is missing or damaged; run grader batch into {out2} again, it grades nothing "
            "twice.",
            out=out / FILE,
            out2=out,
        )
    return found


def write(out: Path, record: ClassRecord) -> None:
    raw = to_json(record, indent=2) + b"\n"
    write_atomically(out / FILE, raw)


def collect(
    download: Download,
    lesson: str,
    roster: list[Entry] | None,
    times: Iterable[Entry] = (),
    zone: tzinfo = UTC,
    given: SourceFiles | None = None,
) -> tuple[ClassRecord, list[Candidate]]:
    """Who handed in what, and what to grade: the version that counts, once for each team."""
    people = [entry.student for entry in roster or ()]
    directory = Directory(people)
    known = _times([*(roster or ()), *times], zone)
    # Without a roster, a table of times may say more about a person than the download does.
    others = Directory(entry.student for entry in times if roster is None)
    owned: dict[str, list[tuple[Version, SubmittedVersion]]] = defaultdict(list)
    persons: dict[str, Student] = {}
    teams: dict[str, str] = {}
    owners = _owners(download, directory)
    has_teams = LAYOUTS[download.layout].label is None
    for version in download.versions:
        team = directory.team(version.who) if has_teams else ""
        owner = None if team else owners.get((version.number, version.name))
        student = owner or _unlisted(version, download.layout, others)
        submitted, time = _time(version, student, known), BY_TABLE
        if submitted is None and LAYOUTS[download.layout].clones:
            submitted, time = committed(version.path), BY_GIT
        key = f"team:{team or student.team}" if team or student.team else f"student:{student.id}"
        teams[key] = team or student.team
        if not team:
            persons[student.id] = student
        recorded = SubmittedVersion(
            student="" if team else student.id,
            files=list(version.files),
            submitted=submitted,
            time=UNKNOWN if submitted is None else time,
            late=version.late,
        )
        owned[key].append((version, recorded))
    submissions, candidates = [], []
    used: set[str] = set()
    for key, versions in owned.items():
        members = [one.id for one in people if teams[key] and one.team == teams[key]]
        members += [one.student for _, one in versions if one.student]
        members = list(dict.fromkeys(members))
        submission, candidate = _submission(versions, teams[key], members, used)
        submissions.append(submission)
        candidates.append(candidate)
    listed = {one.id for one in people}
    handed = {identity for one in submissions for identity in one.students}
    return ClassRecord(
        lesson=lesson,
        layout=download.layout,
        given=given or SourceFiles(),
        students=[*people, *(one for one in persons.values() if one.id not in listed)],
        submissions=sorted(submissions, key=lambda one: one.name),
        missing=[one.id for one in people if one.id not in handed],
        loose=download.loose,
    ), sorted(candidates, key=lambda one: one.name)


# One submission -----------------------------------------------------------------------------


def _submission(
    versions: list[tuple[Version, SubmittedVersion]], team: str, members: list[str], used: set[str]
) -> tuple[Submission, Candidate]:
    best = max(versions, key=_rank)
    counted = best[1]
    unclear = sum(_rank(one)[:4] == _rank(best)[:4] for one in versions) > 1
    # The shortest name, so that a new version does not rename the submission.
    first = min((version.name for version, _ in versions), key=lambda name: (len(name), name))
    name, number = team or first, 2
    while folded(name) in used:
        name, number = f"{team or first} ({number})", number + 1
    used.add(folded(name))
    kept = []
    for _, one in sorted(versions, key=_rank):
        why = _why(one, counted, len(versions), unclear)
        kept.append(msgspec.structs.replace(one, counts=one is counted, why=why))
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


def _rank(one: tuple[Version, SubmittedVersion]) -> tuple[bool, float, int, int, int]:
    """Higher for later versions. A table may give the time of the last version to all of them, so
    the order of the download and the number in the name (`work (2)`, `work_v3`) come next."""
    version, recorded = one
    at = recorded.submitted.timestamp() if recorded.submitted else 0.0
    found = re.search(r"(?:\((\d+)\)|[ _-]v?(\d+))$", version.name)
    digits = (found[1] or found[2]) if found else ""
    number = int(digits) if 0 < len(digits) < 4 else 0
    return not version.superseded, at, version.order, number, -len(version.name)


def _why(one: SubmittedVersion, counted: SubmittedVersion, versions: int, unclear: bool) -> Text:
    if one is counted and versions == 1:
        return Text("the only version")
    if one is counted and unclear:
        return Text("nothing says which version is the latest, so this one counts; give --times")
    if one is counted:
        return Text("the latest version counts")
    files = ", ".join(counted.files[:3])
    return Text("a later version counts: {files}", files=files)


def _owners(download: Download, directory: Directory) -> dict[tuple[str, str], Student]:
    """The student in the roster for each number and name in the download.

    An LMS's numbers identify people. When two numbers match one student by name, the name decides
    nothing, and the student owns only what has the student's own number."""
    found: dict[tuple[str, str], Student] = {}
    numbers: dict[str, set[str]] = defaultdict(set)
    for version in download.versions:
        owner = directory.find(version.who, version.number, download.layout)
        if owner is not None:
            found[version.number, version.name] = owner
            numbers[owner.id].add(version.number)
    return {
        key: owner
        for key, owner in found.items()
        if len(numbers[owner.id]) == 1 or key[0] in (owner.moodle, owner.canvas)
    }


def _unlisted(version: Version, layout: str, directory: Directory) -> Student:
    """A student who is not in the roster, or anyone when there is no roster."""
    other = directory.find(version.who, version.number, layout)
    if other is not None and version.number in (other.moodle, other.canvas, ""):
        return msgspec.structs.replace(other, listed=False)
    number = {layout: version.number} if layout in ("moodle", "canvas") else {}
    login = {"github": version.who} if layout == "github" else {}
    return Student(id=version.name, name=version.who, listed=False, **number, **login)


# Times --------------------------------------------------------------------------------------


def committed(clone: Path) -> datetime | None:
    """Time of the commit that is checked out in `clone`; None when git cannot tell.

    The clone is a student's: its configuration, hooks and attributes are never read. git runs in
    an empty repository that refers to the clone's objects."""
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
    found = _COMMITTER.search(raw.partition(b"\n\n")[0])
    try:
        return datetime.fromtimestamp(int(found[1]), UTC) if found else None
    except (OverflowError, ValueError, OSError):
        return None


def _head(folder: Path) -> str | None:
    """The commit that HEAD names, directly or by a branch."""
    text = _read_text(folder, "HEAD")
    if text.startswith("ref: "):
        ref = text.removeprefix("ref: ")
        if not _REF.fullmatch(ref) or ".." in ref:
            return None
        text = _read_text(folder, ref)
        if not text:
            packed = _read_text(folder, "packed-refs", 2**22).splitlines()
            lines = (line.split(" ") for line in packed)
            text = next((line[0] for line in lines if len(line) == 2 and line[1] == ref), "")
    return text if _COMMIT.fullmatch(text) else None


def _read_text(folder: Path, name: str, limit: int = 4096) -> str:
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
        timeout=GIT_SECONDS,
        check=True,
    ).stdout


def _times(entries: Iterable[Entry], zone: tzinfo) -> dict[str, datetime]:
    """Times of handing in, by everything that may identify a student or a folder."""
    found: dict[str, datetime] = {}
    for entry in entries:
        one, time = entry.student, moment(entry.submitted, zone)
        if time is None:
            continue
        identities = (
            ("where", entry.where),
            ("moodle", one.moodle),
            ("canvas", one.canvas),
            *(("key", name) for name in (one.id, one.login, one.email, one.github)),
            # Two students may have the same name, but not the same number.
            ("key", "" if one.moodle or one.canvas else one.name),
        )
        for key in {f"{kind}:{folded(value)}" for kind, value in identities if value}:
            found[key] = max(found.get(key, time), time)
    return found


def _time(version: Version, student: Student, known: Mapping[str, datetime]) -> datetime | None:
    names = (student.id, student.login, student.email, student.github, student.name, version.name)
    identities = [
        *(("where", name) for name in (*version.files, version.name)),
        ("moodle", student.moodle),
        ("canvas", student.canvas),
        *(("key", name) for name in names),
    ]
    keys = (f"{kind}:{folded(value)}" for kind, value in identities if value)
    return next((known[key] for key in keys if key in known), None)
