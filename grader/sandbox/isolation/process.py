"""A child process as the trusted side sees it: what it is given, and how it ended.

A `Program` says what to run, whichever way the child is started; `Child` is the interface of a
started one; `Ended` is its end, which `raise_if_stopped` turns into the status of a submission.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.task import ChildExit
from grader.text import Text
from grader.text.errors import Fault, GraderError

Confine = Literal["compute", "code", "nothing"]
"""`compute`: descriptors and memory only, no path can be opened (sandbox B). `code`: student
Python with a private folder and the installed libraries (sandbox A). `nothing`: no restrictions,
for the probe that finds out what a level enforces."""
Killed = Literal["time", "cpu", "memory", "output", "threads", "disk", "starved"]
Subject = Literal["onnx", "torchscript", "code"]
Answer = TypeVar("Answer")

PATIENCE = 8.0
"""Multiple of the wall limit after which a child is stopped even if it spent the time waiting for
a core."""


@dataclass(frozen=True)
class Program:
    """One task of `grader.sandbox.runners.child` and what it is given. Nothing in it is secret."""

    task: str
    """Name of the module in `grader.sandbox.runners.child`."""
    order: Mapping[str, Any]
    """The task's arguments, as JSON."""
    confine: Confine
    libraries: tuple[str, ...] = ("numpy",)
    """Imported once by the warm process that the child is forked from."""
    inputs: Path | None = None
    """A trusted file that the child may read, through a descriptor."""
    blobs: Sequence[bytes] = ()
    """Untrusted bytes, each in memory of its own."""
    kept: bytes | None = None
    """Trusted bytes that the warm process itself loads, once for many submissions."""
    answers: tuple[int, ...] | None = None
    """Shape of the float32 results, filled with NaN; what is not written stays NaN."""
    limits: RunLimits = field(default_factory=RunLimits)


class Child(Protocol):
    """A started program. Everything that is read from it is bytes of a known length."""

    def send(self, data: bytes) -> None:
        """Raises BrokenPipeError when the child has ended."""

    def receive(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises BrokenPipeError when the child ended before that."""

    def pending(self) -> bool:
        """Whether unread bytes have arrived."""

    def core_seconds(self) -> float | None:
        """Seconds that it has spent on a core, exact once it waits for the next request; None
        where the system does not tell."""

    def finish(self) -> Ended:
        """Wait for the end."""

    def answers(self) -> bytes:
        """The float32 results. Call it after the end, when nothing can change them any more."""

    def close(self) -> None:
        """End the child whatever it does, and free what it had."""

    @property
    def log(self) -> str:
        """What the child has printed, bounded and without control characters."""


def timed(child: Child, ask: Callable[[], Answer]) -> tuple[Answer, float]:
    """The result of `ask()`, and the seconds that the child spent on it.

    Time on a core is read from the kernel by the trusted side, when the child waits again: it
    leaves out whatever else the machine was doing, which on a busy one moves ratios of wall-clock
    times by a factor of two. Where the kernel does not tell it, this is wall-clock time.
    """
    before, began = child.core_seconds(), time.perf_counter()
    answer = ask()
    elapsed, after = time.perf_counter() - began, child.core_seconds()
    return answer, elapsed if before is None or after is None else after - before


class Stopped(GraderError):
    """A run that ended without results, with the status that the submission gets."""

    def __init__(self, status: Status, text: Text, log: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.log = log


class Disturbed(Stopped):
    """The machine ended or starved the run; the submission is not at fault, so it is run again."""

    def __init__(self, text: Text, log: str = "") -> None:
        super().__init__(Status.GRADER_FAULT, text, log)


@dataclass(frozen=True)
class Ended:
    """The end of one child, as seen from outside."""

    code: int
    """Exit code, negative for a signal."""
    killed: Killed | None
    """The limit for which the trusted side stopped it."""
    seconds: float
    log: str
    cpu_seconds: float = 0.0


def raise_if_stopped(ended: Ended, limits: RunLimits, subject: Subject) -> None:
    """Raises Stopped, Disturbed or Fault unless the child ended well."""
    log, code = ended.log, ended.code
    runtime = {"onnx": "ONNX Runtime", "torchscript": "PyTorch"}.get(subject)
    say = partial(_model, runtime) if runtime else _code
    if ended.killed == "starved":
        raise Disturbed(_STARVED, log)
    if ended.killed == "time":
        raise Stopped(Status.TIMED_OUT, say("time", f"{limits.wall_seconds:g}"), log)
    if ended.killed == "cpu" or code == -getattr(signal, "SIGXCPU", 0) != 0:
        raise Stopped(Status.TIMED_OUT, say("time", f"{limits.cpu_seconds:g}"), log)
    if ended.killed == "memory" or code == ChildExit.OUT_OF_MEMORY:
        size = f"{limits.memory_bytes / 2**20:,.0f}"
        raise Stopped(Status.OUT_OF_MEMORY, say("memory", size), log)
    if ended.killed in ("output", "threads", "disk"):
        raise Stopped(Status.REJECTED, _exceeded(limits)[ended.killed], log)
    if code == -getattr(signal, "SIGKILL", 9):
        if ended.cpu_seconds >= limits.cpu_seconds:
            raise Stopped(Status.TIMED_OUT, say("time", f"{limits.cpu_seconds:g}"), log)
        raise Disturbed(_KILLED_BY_SYSTEM, log)
    if subject != "code" and code in (ChildExit.NO_RUNTIME, ChildExit.BROKEN):
        raise Fault(not_here(log))  # a model cannot choose these exit codes
    last = (log.strip().splitlines() or [""])[-1][:500]
    own = {ChildExit.LOAD_FAILED: "load", ChildExit.RUN_FAILED: "run", ChildExit.BAD_OUTPUT: "out"}
    if code in own and last:  # our own exits print a sentence; without it, the submission did this
        raise Stopped(Status.REJECTED, say(own[ChildExit(code)], last), log)
    if code == ChildExit.BROKEN and last:
        raise Stopped(Status.CRASHED, say("broken", last), log)
    if code != 0:
        names = {-number: number.name for number in signal.Signals}
        raise Stopped(Status.CRASHED, say("crash", names.get(code, f"exit code {code}")), log)


def unfinished(done: int, total: int, log: str) -> Stopped:
    """The error for a child that ended without one before it had answered everything."""
    return Stopped(
        Status.CRASHED,
        Text(
            "The code ended the process after {done:,} of {total:,} answers; it must return and "
            "must not exit.",
            done=done,
            total=total,
        ),
        log,
    )


def not_here(log: str) -> Text:
    """The sentence for a sandbox that does not start here; `log` is what the child printed."""
    last = (log.strip().splitlines() or [""])[-1][:300]
    return Text(
        "The sandbox does not work here ({last}); `grader doctor` says what is missing.", last=last
    )


_STARVED = Text(
    "The machine was too busy to run this submission in its time; grade again with fewer --jobs "
    "or on a quieter machine."
)
_KILLED_BY_SYSTEM = Text(
    "The system ended the process that ran this submission, as it does when memory is short; "
    "grade again with fewer --jobs."
)


def _exceeded(limits: RunLimits) -> dict[str, Text]:
    size = f"{limits.disk_bytes / 2**20:,.0f}"
    return {
        "output": Text(
            "The run printed far more than is allowed and was stopped; remove what prints."
        ),
        "threads": Text(
            "The run started more than {processes} threads and was stopped; measured work is "
            "single-threaded.",
            processes=limits.processes,
        ),
        "disk": Text(
            "The run wrote more than {size} MiB or {disk_files:,} files and was stopped; keep "
            "intermediate results in memory, or write fewer.",
            size=size,
            disk_files=limits.disk_files,
        ),
    }


def _code(reason: str, detail: str) -> Text:
    """Why a student's code was stopped; `detail` is a limit, a message or how it ended."""
    return {
        "time": Text(
            "The code did not finish within {detail} s and was stopped; look for an endless "
            "loop, a wait, or work that is done more often than needed.",
            detail=detail,
        ),
        "memory": Text(
            "The code needs more than the {detail} MiB of memory that are allowed; look for "
            "arrays that are larger than they need to be, or that are kept.",
            detail=detail,
        ),
        "load": Text(
            "The code cannot be imported: {detail} Run it as it is handed in, in an empty "
            "folder, with `grader check`.",
            detail=detail,
        ),
        "run": Text(
            "The code raised an error: {detail} Reproduce it on an input of the shape that the "
            "lesson names.",
            detail=detail,
        ),
        "out": Text(
            "The function returned something else than asked for: {detail}.", detail=detail
        ),
        "crash": Text(
            "The process that ran the code ended early ({detail}); the code must return, must "
            "not exit, and must not crash the interpreter.",
            detail=detail,
        ),
        "broken": Text(
            "The run failed outside of the functions that are called: {detail} Look for code that "
            "replaces parts of Python or of a library, and for files that take too much space.",
            detail=detail,
        ),
    }[reason]


def _model(runtime: str, reason: str, detail: str) -> Text:
    """Like `_code`, of a model in ONNX Runtime or PyTorch."""
    return {
        "time": Text(
            "The model did not finish within {detail} s; make it smaller, or look for an "
            "operator that is unexpectedly slow with `grader check`.",
            detail=detail,
        ),
        "memory": Text(
            "The model needs more than the {detail} MiB of memory that are allowed; look for "
            "operators with very large outputs.",
            detail=detail,
        ),
        "load": Text(
            "{runtime} cannot load the model: {detail} Export it again and run `grader check`.",
            runtime=runtime,
            detail=detail,
        ),
        "run": Text(
            "The model loads, but fails when it runs: {detail} Run it in {runtime} on one "
            "input of the shape that the lesson names.",
            runtime=runtime,
            detail=detail,
        ),
        "out": Text("The model's output has the wrong shape or type: {detail}.", detail=detail),
        "crash": Text(
            "{runtime} itself crashed ({detail}) when it loaded or ran this model, as it does with "
            "some operators in some data types (a GRU in float16); keep those in float32, or use "
            "other operators.",
            runtime=runtime,
            detail=detail,
        ),
    }[reason]
