"""Sandbox A: run a notebook from its first cell to its last, and take the files that it leaves.

A submission can forge everything that comes back: the number of a cell only chooses a sentence,
outputs go into a copy that is treated as untrusted, and files are checked as handed-in files are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation import levels
from grader.sandbox.isolation.process import (
    Child,
    Disturbed,
    Program,
    Stopped,
    raise_if_stopped,
    unfinished,
)
from grader.sandbox.isolation.task import pack
from grader.text import EMPTY, Text, notebooks
from grader.text.errors import GraderError
from grader.text.notebooks import Notebook, Output
from grader.text.untrusted import name as named
from grader.text.untrusted import quoted

KERNEL = "grader.sandbox.runners.child.kernel"
"""Imported before the libraries: it chooses the backend of matplotlib."""
COLD_SECONDS = 20.0
"""For an interpreter of its own to import IPython, where no warm process is."""
MAX_SHOWN = 4 * 2**20
"""Bytes of the outputs of one cell."""
MAX_SHOWN_IN_ALL = 16 * 2**20
MAX_INDEX = 8 * 2**20
"""Bytes of the list of files."""
MAX_REASON = 64 * 2**10
_BLOCK = 2**20
_EXITED = Text(
    "The process of the notebook ended here; do not exit, let the notebook run to its end."
)
_FORGED = Text("Something wrote to file descriptors that it did not open; write to files only.")
_TOO_MUCH = Text("The notebook left far too many files; leave only those that are handed in.")


@dataclass(frozen=True)
class LeftFile:
    """A file that a notebook left, as the child describes it."""

    name: str
    size: int
    kind: str


Choose = Callable[[Sequence[LeftFile]], Mapping[int, Path]]
"""Where to write the files that are wanted, by their index in the list; it raises Rejected."""


@dataclass(frozen=True)
class NotebookJob:
    """A notebook and its folder."""

    notebook: Notebook
    files: Mapping[str, bytes]
    """The files beside it, by relative path; they become the working folder."""
    choose: Choose
    libraries: tuple[str, ...] = ("numpy",)
    """Imported before the submission is there; others that are installed can be, by it."""


@dataclass
class NotebookRun:
    """Outputs and end of a notebook."""

    shown: dict[int, list[Output]] = field(default_factory=dict)
    """Outputs by the index of the cell, of those that ran."""
    stopped: GraderError | None = None
    """Why it did not run to its end: Stopped, or Rejected for the files that it left."""


def run_notebook(job: NotebookJob, limits: RunLimits) -> NotebookRun:
    """Run the notebook. Raises Disturbed when the machine ended or starved it, Fault when no child
    can be started; what a submission does wrong is in `stopped`, with the cell that did it."""
    cold = COLD_SECONDS if levels.current_level().level in "CD" else 0.0
    cells: list[dict[str, Any]] = [
        {
            "cell_type": cell.kind,
            "metadata": {"tags": list(cell.tags)},
            "source": cell.source,
            **({"outputs": [], "execution_count": None} if cell.kind == "code" else {}),
        }
        for cell in job.notebook.cells
    ]
    program = Program(
        task="notebook",
        order={},
        confine="code",
        libraries=(KERNEL, *job.libraries),
        blobs=[pack(job.files), json.dumps(cells).encode()],
        limits=msgspec.structs.replace(limits, wall_seconds=limits.wall_seconds + cold),
    )
    run = _Run(job)
    with closing(levels.start(program)) as child:
        try:
            run.listen(child)
        except Disturbed:
            raise
        except GraderError as error:
            run.result.stopped = error
        except BrokenPipeError:
            run.result.stopped = run.ended(child, limits)
    return run.result


class _Run:
    """The messages of a child so far."""

    def __init__(self, job: NotebookJob) -> None:
        self.result = NotebookRun()
        self._job = job
        self._at: int | None = None
        """Index of the cell that is running."""
        self._shown = 0
        """Bytes of outputs so far."""

    def listen(self, child: Child) -> None:
        """Read messages until the files have arrived. Raises Stopped, Rejected, or BrokenPipeError
        when the child ended before."""
        from grader.sandbox.runners.child.notebook import BEGUN, FAILED, HEADER, LEFT, SHOWN

        limits = {
            BEGUN: (4, 4),
            SHOWN: (4, MAX_SHOWN),
            FAILED: (0, MAX_REASON),
            LEFT: (0, MAX_INDEX),
        }
        while True:
            kind, size = HEADER.unpack(child.receive(HEADER.size))
            least, most = limits.get(kind, (1, 0))
            if not least <= size <= most:
                raise self._stopped(Status.REJECTED, _TOO_MUCH if kind == LEFT else _FORGED)
            data = child.receive(size)
            if kind == FAILED:
                raise self._failed(data)
            if kind == LEFT:
                self._at = None
                return self._take(child, data)
            index = int.from_bytes(data[:4], "little")
            if index >= len(self._job.notebook.cells):
                raise self._stopped(Status.REJECTED, _FORGED)
            if kind == BEGUN:
                self._at = index
                continue
            self.result.shown[index] = []
            self._shown += size - 4
            if self._shown <= MAX_SHOWN_IN_ALL:
                with suppress(msgspec.MsgspecError, RecursionError):
                    self.result.shown[index] = notebooks.outputs(data[4:])

    def ended(self, child: Child, limits: RunLimits) -> Stopped:
        """The error of a child that ended early. Raises Disturbed."""
        ended = child.finish()
        try:
            raise_if_stopped(ended, limits, "code")
            raise unfinished(0, 1, ended.log)
        except Disturbed:
            raise
        except Stopped as error:
            text = error.text if ended.code != 0 or ended.killed else _EXITED
            return self._stopped(error.status, text, error.log)

    def _failed(self, data: bytes) -> Stopped:
        try:
            name, message, starved = msgspec.json.decode(data, type=tuple[str, str, bool])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._stopped(Status.REJECTED, _FORGED)
        log = "\n".join(
            notebooks.plain(str(line))
            for output in self.result.shown.get(-1 if self._at is None else self._at, ())
            for line in output.traceback[-50:]
        )
        advice = EMPTY
        if "not permitted" in message or "Permission denied" in message:
            advice = Text(
                " Programs, processes, the network and files outside the notebook's folder are out "
                "of its reach here; put what it needs beside it."
            )
        what = f"{named(name)}: {named(message, 200)}".rstrip(".: ")
        text = Text(
            "{what}.{advice} All cells must run in order in a restarted kernel; tag one that is "
            "not needed for the grade with {tag}.",
            what=what,
            advice=advice,
            tag=notebooks.SKIPPED,
        )
        return self._stopped(Status.OUT_OF_MEMORY if starved else Status.REJECTED, text, log)

    def _take(self, child: Child, data: bytes) -> None:
        try:
            index = msgspec.json.decode(data, type=list[tuple[str, int, str]])
            left = [LeftFile(name, max(size, 0), kind) for name, size, kind in index]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._stopped(Status.REJECTED, _FORGED) from None
        wanted = self._job.choose(left)
        for number, file in enumerate(left):
            size, target = file.size, wanted.get(number)
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
            with nullcontext() if target is None else target.open("xb") as written:
                while size > 0:
                    block = child.receive(min(size, _BLOCK))
                    size -= len(block)
                    if written is not None:
                        written.write(block)

    def _stopped(self, status: Status, text: Text, log: str = "") -> Stopped:
        """The error with a sentence that names the cell that was running."""
        if self._at is None:
            return Stopped(status, Text("{file}: {text}", file=notebooks.FILE, text=text), log)
        notebook = self._job.notebook
        lines = notebook.cells[self._at].source.strip().splitlines()
        cell = f"[{notebook.number(self._at)}] (`{quoted(lines[0]) if lines else ''}`)"
        said = Text("{file}, cell {cell}: {text}", file=notebooks.FILE, cell=cell, text=text)
        return Stopped(status, said, log)
