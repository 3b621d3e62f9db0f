"""A student's own check: the same autograder, on public data and the student's machine."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grader import grading
from grader.lesson import loading
from grader.lesson.contract import Progress
from grader.lesson.grades import Check, Grade, Status
from grader.lesson.loading import Lesson
from grader.lesson.spec import LessonSpec
from grader.sandbox.isolation.launch import python
from grader.text import Text, verbatim
from grader.text.errors import Fault, GraderError, UsageError

TORCH_SECONDS = 45
"""Time limit of the process that imports a student's PyTorch module."""
MARKER = "grader.toml"
"""File that says which lesson a project folder is for; `grader new` writes it."""


def write_marker(folder: Path, lesson: str) -> None:
    """Write into a project folder which lesson it is for."""
    (folder / MARKER).write_text(
        f'# Which lesson this folder is for; `grader check` reads it.\nlesson = "{lesson}"\n',
        encoding="utf-8",
    )


def lesson_of(folder: Path) -> str:
    """The lesson that `folder` is for. Raises UsageError when it does not say."""
    path = folder / MARKER
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8"))["lesson"]
    except OSError as error:
        raise UsageError(
            "{resolve} is not a project: expected {marker} in it; go to the folder that `grader "
            "new LESSON DIR` made, or name the lesson with --lesson.",
            resolve=folder.resolve(),
            marker=MARKER,
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as error:
        raise UsageError(
            '{path} must hold one line: lesson = "NAME"; write the lesson into it.', path=path
        ) from error
    return str(name)


GradeOne = Callable[[grading.Examination, Path, str], grading.Outcome]
"""Takes an examination, a submission and its name."""


@dataclass(frozen=True)
class Checker:
    """A project and everything that measuring it needs, prepared once for any number of checks."""

    folder: Path
    lesson: Lesson
    examination: grading.Examination

    @property
    def project(self) -> Path | None:
        """The folder, if `grader new` made it; only there checks leave something behind."""
        return self.folder if (self.folder / MARKER).is_file() else None

    def check(self, grade_one: GradeOne = grading.grade_for_class) -> Grade:
        """The work as it is now. Raises Fault when the grader itself fails.

        `grade_one` grades in this process, or in one that is stopped when it takes too long.
        """
        outcome = grade_one(self.examination, self.folder, self.folder.name)
        grade = outcome.grade
        if grade.status is Status.GRADER_FAULT:
            why = (outcome.fault.strip().splitlines() or [""])[-1]
            raise Fault("{reason} {why}", reason=grade.reason, why=why)
        return grade


def prepare(
    folder: Path,
    *,
    lesson: str | None = None,
    data: str | None = None,
    source: Path | None = None,
    progress: Progress | None = None,
) -> Checker:
    """Get ready to check one's own project on the public data. Raises UsageError, DataError."""
    if not folder.is_dir():
        raise UsageError(
            "{folder} is not a folder; run `grader check` in your project's folder.", folder=folder
        )
    found = loading.load(lesson or lesson_of(folder))
    examination = grading.prepare(found, "public", data=data, source=source, progress=progress)
    # Links are refused in submissions, but a project's folder may be reached through one.
    return Checker(folder.resolve(), found, examination)


def other_figures(folder: Path, spec: LessonSpec) -> list[Text]:
    """Sentences that compare thop's and torch's figures with ours and say why they differ.

    Imports the student's code in a process of its own, unconfined, so only on the student's own
    machine. Empty when the lesson names no module or there is no artefact yet.
    """
    from grader.measure import torch_view
    from grader.measure.costs import graph

    artefact = folder / spec.intake.artefact
    if spec.torch_module is None or not artefact.is_file():
        return []
    try:
        ended = subprocess.run(
            [*python(), "-m", "grader.measure.torch_view", str(folder), spec.torch_module],
            capture_output=True,
            timeout=TORCH_SECONDS,
            check=False,
        )
        figures = msgspec.json.decode(ended.stdout, type=torch_view.TorchFigures)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError):
        module = spec.torch_module
        failed = Text(
            "thop's figures are not shown: {module}() of your project could not be called.",
            module=module,
        )
        return [failed]
    report = graph.inspect(artefact.read_bytes())
    counts = (figures.thop_macs, figures.flop_counter_macs)
    thop, counter = (
        verbatim("—") if count is None else Text("{count:,}", count=count) for count in counts
    )
    counted = Text(
        "Other tools on your PyTorch module: thop {thop} MACs, torch's FlopCounterMode / 2 "
        "{counter}, {params:,} parameters, torch.save {bytes:,} bytes.",
        thop=thop,
        counter=counter,
        params=figures.params,
        bytes=figures.state_dict_bytes,
    )
    return [counted, *torch_view.explain(report, figures)]


def public_checks(folder: Path) -> list[Check]:
    """Public checks of the project in `folder`, for its pytest file; the first says whether
    the artefact could be measured at all."""
    checks: list[Check] = []
    try:
        grade = prepare(folder).check()
        passed, reason, checks = grade.status is Status.GRADED, grade.reason, grade.checks
    except GraderError as error:
        passed, reason = False, error.text
    measured = Check(
        name="artefact_is_measured",
        title=Text("The artefact can be measured"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=reason,
    )
    return [measured, *(one for one in checks if one.visibility == "public")]
