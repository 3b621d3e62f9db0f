"""A batch's folder of results: one batch at a time, of one lesson and one class.

OUT/batch.json        what it was made from
    grades/  faults/  reports/  rubric/  notebooks/  evidence/  index.html
    removed/WHEN/     grades, faults, forms and pages of submissions that are no longer there
    .lock  .holder    held while a batch runs, and by whom
"""

from __future__ import annotations

import contextlib
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

from grader.batch.results import (
    evidence_path,
    fault_path,
    grade_path,
    notebook_path,
    read_grade,
    report_path,
    rubric_path,
)
from grader.intake import Candidate
from grader.intake.downloads import Layout, open_download
from grader.lesson import scoring
from grader.lesson.grades import Deduction, Grade, to_json, write_atomically
from grader.lesson.spec import LessonSpec
from grader.semester import course_file, deadlines, handed_in, roster
from grader.semester.handed_in import Given, HandedIn
from grader.text import Text
from grader.text.errors import Fault, UsageError

SCHEMA = 1
_FOLDERS = ("grades", "faults", "reports", "rubric", "notebooks", "evidence")
_BESIDE = (report_path, fault_path, rubric_path, notebook_path, evidence_path)


class Origin(msgspec.Struct, frozen=True):
    """`batch.json`: what the results in a folder were made from."""

    schema: int
    lesson: str
    folder: str
    """Absolute path of the submissions."""
    out: str
    """Absolute path of this folder: moved together with the submissions, it still fits."""


class Holder(msgspec.Struct, frozen=True):
    """Which process is at work on a folder."""

    pid: int
    host: str
    since: str


@contextlib.contextmanager
def opened(out: Path, lesson: str, submissions: Path, *, force: bool = False) -> Iterator[None]:
    """Hold `out` for the results of `submissions`; makes it where it is missing.

    Raises UsageError when another batch is at work on it, when it holds results of another
    lesson, and, unless `force`, of another folder; Fault when it cannot be written.
    """
    with disk_trouble(out):
        (out / "grades").mkdir(parents=True, exist_ok=True)
    with held(out):
        origin = Origin(SCHEMA, lesson, str(submissions.resolve()), str(out.resolve()))
        _require_same(out, origin, force)
        with disk_trouble(out):
            _clear_temporaries(out)
            write_atomically(out / "batch.json", msgspec.json.encode(origin))
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                _clear_temporaries(out)


@contextlib.contextmanager
def disk_trouble(out: Path) -> Iterator[None]:
    """Raises Fault with one sentence for what a full or broken disk does inside."""
    try:
        yield
    except BrokenPipeError:  # nobody reads our output: no disk
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise Fault(
            Text(
                en=f"Results cannot be written to {out} ({reason}); what was saved before is kept. "
                "Make room or rights there, and run the same command again.",
                ru=f"Не удаётся записать результаты в {out} ({reason}); сохранённое раньше цело. "
                "Освободите место или исправьте права и запустите ту же команду.",
            )
        ) from error


def set_aside_others(out: Path, names: Iterable[str]) -> int:
    """Move what belongs to none of `names` to a new folder in removed/; how many grades.

    The grade goes last, so that a killed move is finished by the next.
    """
    kept = {grade_path(out, name).name for name in names}
    gone = [path for path in sorted((out / "grades").glob("*.json")) if path.name not in kept]
    if gone:
        aside = _new_folder(out / "removed")
        for grade in gone:
            for path in (*(of(grade) for of in _BESIDE), grade):
                _move(path, aside / path.parent.name / path.name)
    with contextlib.suppress(OSError):  # not there, or not empty
        (out / "faults").rmdir()
    return len(gone)


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep every other command from writing to `out`. Raises UsageError when one is at work."""
    lock = filelock.FileLock(out / ".lock")
    holder = out / ".holder"
    with disk_trouble(out):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:  # an OSError too, but no trouble of a disk
            raise UsageError(_busy(out, _holder(holder))) from None
    try:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with disk_trouble(out):
            write_atomically(holder, msgspec.json.encode(Holder(os.getpid(), platform.node(), now)))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def _require_same(out: Path, origin: Origin, force: bool) -> None:
    before = _origin(out)
    if before is None:
        return
    if before.lesson != origin.lesson:
        raise UsageError(_other_lesson(out, before.lesson, origin.lesson))
    if not force and before.folder and not _same_place(before, origin):
        raise UsageError(_other_folder(out, before.folder, origin.folder))


def _origin(out: Path) -> Origin | None:
    """From batch.json; where that is lost, the lesson at least, from a grade."""
    try:
        return msgspec.json.decode((out / "batch.json").read_bytes(), type=Origin)
    except (OSError, msgspec.MsgspecError):
        grades = (read_grade(path) for path in (out / "grades").glob("*.json"))
        found = next((grade for grade in grades if grade is not None), None)
        return None if found is None else Origin(SCHEMA, found.lesson, "", "")


def _same_place(before: Origin, now: Origin) -> bool:
    if before.folder == now.folder:
        return True
    try:
        return os.path.relpath(before.folder, before.out) == os.path.relpath(now.folder, now.out)
    except ValueError:  # on two drives of Windows
        return False


def _clear_temporaries(out: Path) -> None:
    """Half-written files of a killed run; we hold the folder, so nobody is at work on them."""
    for folder in (out, *(out / name for name in _FOLDERS)):
        for path in folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def _new_folder(parent: Path) -> Path:
    parent.mkdir(exist_ok=True)
    when = time.strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while True:
        place = parent / (when if number == 1 else f"{when}-{number}")
        try:
            place.mkdir()
        except FileExistsError:
            number += 1
        else:
            return place


def _move(path: Path, target: Path) -> None:
    if path.exists():
        target.parent.mkdir(exist_ok=True)
        path.replace(target)


def _busy(out: Path, holder: Holder | None) -> Text:
    en, ru = "another process", "другой процесс"
    if holder is not None:
        en = f"process {holder.pid} on {holder.host}, since {holder.since}"
        ru = f"процесс {holder.pid} на {holder.host}, с {holder.since}"
    return Text(
        en=f"Another batch is at work on {out} ({en}); wait for it, or give another --out.",
        ru=f"С папкой {out} уже работает другая проверка ({ru}); дождитесь её или укажите другую "
        "папку в --out.",
    )


def _other_lesson(out: Path, before: str, now: str) -> Text:
    return Text(
        en=f"{out} holds grades of the lesson {before}, not {now}; give another --out.",
        ru=f"В {out} лежат оценки занятия {before}, а не {now}; укажите другую папку в --out.",
    )


def _other_folder(out: Path, before: str, now: str) -> Text:
    return Text(
        en=f"{out} holds grades of the submissions in {before}, not in {now}; give another --out, "
        "or --force to go on with the new folder (grades of submissions that are not in it move "
        "to removed/).",
        ru=f"В {out} лежат оценки работ из {before}, а не из {now}; укажите другую папку в --out "
        "или добавьте --force, чтобы продолжить с новой папкой (оценки работ, которых в ней нет, "
        "уйдут в removed/).",
    )


# A class's download on its way into a batch, and deadlines on their way into its grades.
#
# OUT/handed_in.json     who handed in what and when (grader/semester/handed_in.py)
# OUT/handed_in/NAME/    what had to be unpacked from the download


@dataclass(frozen=True)
class Papers:
    """What an instructor gives besides the download."""

    course: Path | None = None
    roster: Path | None = None
    times: Path | None = None
    layout: Layout | None = None

    def kept(self, out: Path) -> Papers:
        """With what an earlier run into `out` was given, where nothing is given now."""
        before = handed_in.read(out)
        if before is None:
            return self
        given = before.given
        return Papers(
            self.course or (Path(given.course) if given.course else None),
            self.roster or (Path(given.roster) if given.roster else None),
            self.times or (Path(given.times) if given.times else None),
            self.layout,
        )

    def given(self) -> Given:
        course, people, times = (
            str(path.resolve()) if path else "" for path in (self.course, self.roster, self.times)
        )
        return Given(course=course, roster=people, times=times)


def collect(
    out: Path, download: Path, spec: LessonSpec, papers: Papers
) -> tuple[HandedIn, list[Candidate]]:
    """Unpack what has to be, see who handed in what, and keep that in `out`.

    Raises UsageError for a table or course.toml that cannot be used."""
    course = course_file.load(papers.course) if papers.course else None
    people = roster.read(papers.roster) if papers.roster else None
    if people is not None and papers.roster is not None:
        roster.students(people, papers.roster)
    times = roster.read(papers.times) if papers.times else []
    if course is not None and not course.works_in_teams(spec.name):
        people = None if people is None else roster.without_teams(people)
    found = open_download(
        download, out / "handed_in", spec.intake, lambda name: grade_path(out, name).stem,
        papers.layout,
    )  # fmt: skip
    zone = course.zone if course else UTC
    versions = [one for one in found.versions if one.path.resolve() != out.resolve()]
    record, candidates = handed_in.collect(
        replace(found, versions=versions), spec.name, people, times, zone, papers.given()
    )
    handed_in.write(out, record)
    _forget_others(out, {version.path for version in found.versions})
    return record, candidates


class Deadlines:
    """What comes off the grades of a class; nothing where it has no course.toml."""

    def __init__(self, spec: LessonSpec, record: HandedIn | None) -> None:
        self._spec = spec
        self._known = record is not None and bool(record.given.course)
        self._lines: dict[str, list[Deduction]] = {}
        self.unknown: list[str] = []
        """Names in course.toml that nobody in the class has."""
        if record is not None and record.given.course:
            path = Path(record.given.course)
            course = course_file.load(path)
            self._lines = deadlines.deductions(course, path.parent, spec, record)
            self.unknown = deadlines.unknown(course, record)

    def to(self, path: Path) -> Grade | None:
        """The grade at `path` as it is now on disk, None where it was so before."""
        grade = read_grade(path)
        if grade is None or not (self._known or grade.deductions):
            return None
        lines = self._lines.get(grade.submission.name, [])
        result = scoring.taken_off(grade, self._spec, lines)
        if result == grade:
            return None
        write_atomically(path, to_json(result))
        return result


def _forget_others(out: Path, used: set[Path]) -> None:
    """Remove what earlier downloads left unpacked."""
    store = out / "handed_in"
    with contextlib.suppress(OSError):
        for path in store.iterdir():
            if path not in used:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not any(store.iterdir()):
            store.rmdir()
