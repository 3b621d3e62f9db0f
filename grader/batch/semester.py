"""A class's download on its way into a batch, and deadlines on their way into its grades.

OUT/handed_in.json     who handed in what and when (grader/semester/handed_in.py)
OUT/handed_in/NAME/    what had to be unpacked from the download
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from grader import deductions
from grader.batch.results import grade_path, read_grade
from grader.grades import Deduction, Grade, to_json, write_atomically
from grader.intake import Candidate
from grader.intake.downloads import open_download
from grader.intake.layouts import Layout
from grader.lesson import LessonSpec
from grader.semester import course_file, deadlines, handed_in, roster
from grader.semester.handed_in import Given, HandedIn


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
        result = deductions.taken_off(grade, self._spec, lines)
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
