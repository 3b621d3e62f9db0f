"""A batch's folder: written by one command at a time, for one lesson and one class.

OUT/batch.json                what the results were made from
    grades/  ... index.html   results (grader/batch/results.py)
    handed_in.json            who handed in what and when (grader/semester/handed_in.py)
    handed_in/NAME/           what had to be unpacked from the download
    removed/WHEN/             results of submissions that are no longer in the download
    .lock  .holder            exist while a command writes to the folder, and name its process
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

import filelock
import msgspec
from msgspec.structs import asdict

from grader.batch.results import FOLDERS, beside, grade_path, read_grade
from grader.intake import Candidate
from grader.intake.downloads import open_download
from grader.lesson.grades import write_atomically
from grader.lesson.spec import LessonSpec
from grader.semester import course_file, handed_in, roster
from grader.semester.handed_in import ClassRecord, SourceFiles
from grader.text import Text
from grader.text.errors import Fault, UsageError

SCHEMA = 1


class Origin(msgspec.Struct, frozen=True):
    """`batch.json`: what the results in a folder were made from."""

    schema: int
    lesson: str
    folder: str
    """Absolute path of the submissions."""
    out: str
    """Absolute path of this folder, so that both folders can be moved together."""


class Holder(msgspec.Struct, frozen=True):
    """`.holder`: the process that writes to a folder."""

    pid: int
    host: str
    since: str


@dataclass(frozen=True)
class ClassFiles:
    """Files that an instructor gives besides the download, and the download's layout."""

    course: Path | None = None
    roster: Path | None = None
    times: Path | None = None
    layout: str | None = None

    def or_earlier(self, out: Path) -> ClassFiles:
        """These files; those that are not given now are taken from an earlier run into `out`."""
        record = handed_in.read(out)
        if record is None:
            return self
        before = {name: Path(path) for name, path in asdict(record.given).items() if path}
        return replace(self, **(before | {name: now for name, now in vars(self).items() if now}))

    def recorded(self) -> SourceFiles:
        """Absolute paths for `handed_in.json`."""
        given = {"course": self.course, "roster": self.roster, "times": self.times}
        return SourceFiles(**{name: str(path.resolve()) for name, path in given.items() if path})


@contextlib.contextmanager
def open_results(
    out: Path, lesson: str, submissions: Path, *, force: bool = False
) -> Iterator[None]:
    """Lock `out` for the results of `submissions`; the folder is made if it is missing.

    Raises UsageError when another command writes to it, when it holds results of another lesson,
    and, unless `force`, of another folder; Fault when it cannot be written.
    """
    with disk_errors(out):
        (out / "grades").mkdir(parents=True, exist_ok=True)
    with locked(out):
        origin = Origin(SCHEMA, lesson, str(submissions.resolve()), str(out.resolve()))
        _require_same(out, origin, force)
        with disk_errors(out):
            _remove_temporaries(out)
            write_atomically(out / "batch.json", msgspec.json.encode(origin))
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                _remove_temporaries(out)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep every other command from writing to `out`. Raises UsageError when one does."""
    lock = filelock.FileLock(out / ".lock")
    holder = out / ".holder"
    with disk_errors(out):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:  # an OSError too, but not a disk error
            who = Text("another process")
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found = msgspec.json.decode(holder.read_bytes(), type=Holder)
                who = Text(
                    "process {pid} on {host}, since {since}",
                    pid=found.pid,
                    host=found.host,
                    since=found.since,
                )
            raise UsageError(
                "Another batch is at work on {out} ({who}); wait for it, or give another --out.",
                out=out,
                who=who,
            ) from None
    try:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with disk_errors(out):
            write_atomically(holder, msgspec.json.encode(Holder(os.getpid(), platform.node(), now)))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Raises Fault with one sentence for any OSError inside, such as a full disk."""
    try:
        yield
    except BrokenPipeError:  # stdout was closed
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise Fault(
            "Results cannot be written to {out} ({reason}); what was saved before is kept. Make "
            "room or rights there, and run the same command again.",
            out=out,
            reason=reason,
        ) from error


def collect(
    out: Path, download: Path, spec: LessonSpec, files: ClassFiles
) -> tuple[ClassRecord, list[Candidate]]:
    """Find out who handed in what, unpack where needed, and record it in `out`.

    Raises UsageError for a table or course.toml that cannot be used."""
    course = course_file.load(files.course) if files.course else None
    people = None
    if files.roster:
        people = roster.read(files.roster)
        roster.require_distinct(people, files.roster)
    times = roster.read(files.times) if files.times else []
    if course is not None and not course.works_in_teams(spec.name):
        people = None if people is None else roster.without_teams(people)
    store = out / "handed_in"
    found = open_download(
        download, store, spec.intake, lambda name: grade_path(out, name).stem, files.layout
    )
    versions = [one for one in found.versions if one.path.resolve() != out.resolve()]
    record, candidates = handed_in.collect(
        replace(found, versions=versions),
        spec.name,
        people,
        times,
        course.zone if course else UTC,
        files.recorded(),
    )
    handed_in.write(out, record)
    used = {version.path for version in found.versions}
    with contextlib.suppress(OSError):  # remove what was unpacked from earlier downloads
        for path in store.iterdir():
            if path not in used:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not any(store.iterdir()):
            store.rmdir()
    return record, candidates


def set_aside_others(out: Path, names: Iterable[str]) -> int:
    """Move the results of submissions that are not in `names` to a new folder in removed/, and
    return the number of grades moved.

    The grade is moved last, so that the next run completes a move that was killed.
    """
    kept = {grade_path(out, name).name for name in names}
    gone = [path for path in sorted((out / "grades").glob("*.json")) if path.name not in kept]
    if gone:
        now = out / "removed" / time.strftime("%Y-%m-%d_%H-%M-%S")
        others = (now.with_name(f"{now.name}-{number}") for number in itertools.count(2))
        aside = next(place for place in itertools.chain([now], others) if not place.exists())
        aside.mkdir(parents=True)
        for grade in gone:
            for path in (*(beside(grade, folder) for folder in FOLDERS), grade):
                if path.exists():
                    target = aside / path.parent.name / path.name
                    target.parent.mkdir(exist_ok=True)
                    path.replace(target)
    with contextlib.suppress(OSError):  # missing or not empty
        (out / "faults").rmdir()
    return len(gone)


def _require_same(out: Path, origin: Origin, force: bool) -> None:
    before = _origin(out)
    if before is None:
        return
    if before.lesson != origin.lesson:
        raise UsageError(
            "{out} holds grades of the lesson {lesson}, not {origin_lesson}; give another --out.",
            out=out,
            lesson=before.lesson,
            origin_lesson=origin.lesson,
        )
    moved_together = False
    with contextlib.suppress(ValueError):  # no folder is recorded, or on two drives of Windows
        were, are = ((one.folder, one.out) for one in (before, origin))
        moved_together = os.path.relpath(*were) == os.path.relpath(*are)
    if not force and before.folder not in ("", origin.folder) and not moved_together:
        raise UsageError(
            "{out} holds grades of the submissions in {folder}, not in {origin_folder}; give "
            "another --out, or --force to go on with the new folder (grades of submissions that "
            "are not in it move to removed/).",
            out=out,
            folder=before.folder,
            origin_folder=origin.folder,
        )


def _origin(out: Path) -> Origin | None:
    """What batch.json says; when it is lost, at least the lesson, from a grade."""
    try:
        return msgspec.json.decode((out / "batch.json").read_bytes(), type=Origin)
    except (OSError, msgspec.MsgspecError):
        grades = (read_grade(path) for path in (out / "grades").glob("*.json"))
        found = next((grade for grade in grades if grade is not None), None)
        return None if found is None else Origin(SCHEMA, found.lesson, "", "")


def _remove_temporaries(out: Path) -> None:
    """Remove half-written files of a killed run; the lock excludes a running one."""
    for folder in (out, *(out / name for name in ("grades", *FOLDERS))):
        for path in folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)
