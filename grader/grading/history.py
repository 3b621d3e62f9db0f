"""Scores of every version of a student's work, kept in the project and drawn as a line."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from grader.grading.project import keep, kept
from grader.lesson.grades import Axis, Figure, Grade, Series, Status
from grader.lesson.spec import LessonSpec
from grader.text import Text

FILE = "history.jsonl"
MOST = 1_000
"""Versions that are kept: the latest."""
DRAWN = 40
"""Versions in the line on a terminal."""
_BARS = "▁▂▃▄▅▆▇█"
_NO_SCORE = "·"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the work, when and how it was last measured."""

    when: Annotated[datetime, msgspec.Meta(tz=True)]
    lesson: str
    fingerprint: str
    """Fingerprint of the submitted files; equal files are the same version."""
    status: Status
    score: float
    max_score: float
    gate: bool | None = None
    passed: int = 0
    checks: int = 0
    measurements: dict[str, float] = {}
    """The columns of the lesson's leaderboard."""

    @property
    def graded(self) -> bool:
        return self.status is Status.GRADED


_decoder = msgspec.json.Decoder(Version)


def of(grade: Grade, spec: LessonSpec, when: datetime | None = None) -> Version:
    """The version that `grade` is of, measured at `when` or now."""
    values = ((one.name, grade.value(one.name)) for one in spec.report.columns)
    return Version(
        when=when or datetime.now(UTC).replace(microsecond=0),
        lesson=grade.lesson,
        fingerprint=grade.submission.fingerprint,
        status=grade.status,
        score=grade.score,
        max_score=grade.max_score,
        gate=None if grade.gate is None else grade.gate.passed,
        passed=sum(check.passed for check in grade.checks),
        checks=len(grade.checks),
        measurements={name: value for name, value in values if value is not None},
    )


def add(project: Path, version: Version) -> list[Version]:
    """Store a version; the same files measured again replace their entry.

    Returns all versions of its lesson, oldest first. Raises OSError.
    """
    known: list[Version] = []
    with contextlib.suppress(OSError):  # nothing is stored yet
        for raw in kept(project, FILE).read_bytes().splitlines():
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):  # damaged
                known.append(_decoder.decode(raw))
    if known and (known[-1].lesson, known[-1].fingerprint) == (version.lesson, version.fingerprint):
        known.pop()
    known = [*known, version][-MOST:]
    keep(project, FILE, b"".join(msgspec.json.encode(one) + b"\n" for one in known))
    return [one for one in known if one.lesson == version.lesson]


def line(versions: Sequence[Version]) -> str:
    """Scores as a line of bars from 0 to the maximum; `·` stands for a version without a grade."""
    return "".join(map(_bar, versions[-DRAWN:]))


def sentence(versions: Sequence[Version]) -> Text:
    """Says how many versions there are, the best score and the change since the previous one."""
    graded = [one for one in versions if one.graded]
    drawn, count = line(versions), len(versions)
    if not graded:
        return Text(
            "History: {drawn}  versions: {count}, none graded yet", drawn=drawn, count=count
        )
    best = max(one.score for one in graded)
    found = Text(
        "History: {drawn}  versions: {count}, best score {best:.3f}",
        drawn=drawn,
        count=count,
        best=best,
    )
    if len(graded) > 1 and versions[-1].graded:
        change = graded[-1].score - graded[-2].score
        found += Text(", {change:+.3f} since the version before", change=change)
    return found


def figure(versions: Sequence[Version]) -> Figure | None:
    """The scores as a figure of the report; None before there are two graded versions."""
    places = [(float(at + 1), one) for at, one in enumerate(versions) if one.graded]
    if len(places) < 2:
        return None
    xs, ys = [at for at, _ in places], [one.score for _, one in places]
    best = [max(ys[: at + 1]) for at in range(len(ys))]
    return Figure(
        name="history",
        title=Text("Your versions so far"),
        kind="line",
        x=Axis(Text("Version")),
        y=Axis(Text("Score estimate")),
        series=[
            Series(Text("Score"), "submission", xs, ys),
            Series(Text("Best so far"), "reference", xs, best),
        ],
        caption=Text("Scores of grader check on public data, kept in .grader/history.jsonl."),
    )


def _bar(version: Version) -> str:
    if not version.graded or version.max_score <= 0:
        return _NO_SCORE
    share = min(max(version.score / version.max_score, 0.0), 1.0)
    return _BARS[round(share * (len(_BARS) - 1))]
