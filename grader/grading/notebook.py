"""Runs a submitted notebook; the files that it leaves are then graded as any others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from grader import intake
from grader.intake import Submission
from grader.lesson.spec import LessonSpec
from grader.sandbox.isolation.process import Disturbed
from grader.sandbox.runners.notebook import LeftFile, NotebookJob, NotebookRun, run_notebook
from grader.text import notebooks
from grader.text.errors import Rejected


@contextmanager
def executed(
    submission: Submission, spec: LessonSpec, on_executed: Callable[[bytes], None]
) -> Iterator[Submission]:
    """The submission itself, or where it holds a notebook, what running it leaves in a private
    copy of its folder. `on_executed` gets the executed copy, also where a cell failed; it is not
    trusted.

    Raises Stopped or Rejected with the cell that fails, and Rejected where what it leaves breaks a
    rule of intake.
    """
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
            artefact = spec.intake.artefact
            raise Rejected(
                "{file} ran to its end, but there is no {artefact} in its folder; write it in a "
                "cell that runs (`%%writefile`, an export), or hand it in beside the notebook.",
                file=notebooks.FILE,
                artefact=artefact,
            )
        yield left


def longest_grading(path: Path, spec: LessonSpec) -> float:
    """Seconds after which a worker that grades the submission at `path` is stopped."""
    notebook = spec.notebook.limits.wall_seconds if intake.may_be_notebook(path) else 0.0
    return spec.hold_seconds + notebook


def _run(
    notebook: notebooks.Notebook, submission: Submission, spec: LessonSpec, folder: Path
) -> NotebookRun:
    def choose(left: Sequence[LeftFile]) -> Mapping[int, Path]:
        files = [(file.name, file.size, file.kind) for file in left]
        return intake.places(files, folder, spec.intake)

    folder.mkdir()
    job = NotebookJob(
        notebook=notebook,
        files={str(file.path): submission.read(str(file.path)) for file in submission.files},
        choose=choose,
        libraries=spec.notebook.libraries,
    )
    # The submitted files lie on the same disk, beside what the notebook may write.
    limits, rules = spec.notebook.limits, spec.intake
    limits = structs.replace(
        limits,
        file_bytes=max(limits.file_bytes, rules.max_file_bytes),
        disk_bytes=limits.disk_bytes + rules.max_total_bytes,
        disk_files=limits.disk_files + rules.max_files,
    )
    try:
        return run_notebook(job, limits)
    except Disturbed:  # by the machine, not by the notebook
        return run_notebook(job, limits)
