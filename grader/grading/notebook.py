"""A submitted notebook becomes the files that it leaves: those are then graded as any others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from grader import intake
from grader.intake import Submission
from grader.lesson.spec import LessonSpec, RunLimits
from grader.sandbox.isolation.process import Disturbed, longest_run
from grader.sandbox.runners.notebook import LeftFile, NotebookJob, NotebookRun, run_notebook
from grader.text import Text, notebooks
from grader.text.errors import Rejected

OnExecuted = Callable[[bytes], None]
"""Called with the executed copy, however far it came. Nothing in it is to be trusted."""


@contextmanager
def executed(
    submission: Submission, spec: LessonSpec, on_executed: OnExecuted
) -> Iterator[Submission]:
    """The submission itself, or where it holds a notebook, what running that leaves in a private
    copy of its folder. Raises Stopped or Rejected with the cell at which it does not run, and
    Rejected where what it leaves breaks a rule of intake."""
    if not submission.has(notebooks.FILE):
        yield submission
        return
    notebook = notebooks.read(submission.read(notebooks.FILE))
    with tempfile.TemporaryDirectory(prefix="grader-notebook-") as temporary:
        folder = Path(temporary) / "left"
        run = _run(notebook, submission, spec, folder)
        on_executed(notebooks.executed(notebook, run.shown))
        if run.stopped is not None:
            raise run.stopped
        left = intake.listed(folder, spec.intake, submission)
        if not any(left.has(path) for path in (spec.intake.artefact, *spec.intake.alternatives)):
            raise Rejected(_nothing(spec.intake.artefact))
        yield left


def longest_grading(path: Path, spec: LessonSpec) -> float:
    """Seconds after which runs of the submission at `path` have ended, whatever happened to
    them."""
    seconds = longest_run(spec.limits)
    return seconds + longest_run(spec.notebook.limits) if intake.may_be_notebook(path) else seconds


def _run(
    notebook: notebooks.Notebook, submission: Submission, spec: LessonSpec, folder: Path
) -> NotebookRun:
    def choose(left: Sequence[LeftFile]) -> Mapping[int, Path]:
        return intake.places([(file.name, file.size, file.kind) for file in left], folder, rules)

    rules = spec.intake
    folder.mkdir()
    job = NotebookJob(
        notebook=notebook,
        files={str(file.path): submission.read(str(file.path)) for file in submission.files},
        choose=choose,
        libraries=spec.notebook.libraries,
    )
    try:
        return run_notebook(job, _limits(spec))
    except Disturbed:
        return run_notebook(job, _limits(spec))


def _limits(spec: LessonSpec) -> RunLimits:
    """What may be handed in can be there, and the notebook's own disk comes on top."""
    limits, rules = spec.notebook.limits, spec.intake
    return structs.replace(
        limits,
        file_bytes=max(limits.file_bytes, rules.max_file_bytes),
        disk_bytes=limits.disk_bytes + rules.max_total_bytes,
        disk_files=limits.disk_files + rules.max_files,
    )


def _nothing(artefact: str) -> Text:
    return Text(
        en=f"{notebooks.FILE} ran to its end, but there is no {artefact} in its folder; write it "
        "in a cell that runs (`%%writefile`, an export), or hand it in beside the notebook.",
        ru=f"{notebooks.FILE} выполнен до конца, но в его папке нет файла {artefact}; создайте его "
        "в выполняемой ячейке (`%%writefile`, экспорт) или сдайте рядом с ноутбуком.",
    )
