"""Sandbox A: a lesson's own harness calls a submission's code, one call after another.

The harness is trusted source that the lesson gives; it runs beside the student's files, so that
nothing secret may be in it or in its orders. Every call has a time limit of its own, and one
that fails, hangs or ends the process does not affect the others. Answers are plain data: JSON or
bytes, of a bounded size. Nothing is unpickled, and the caller has to check every value, since a
submission can forge any answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation import levels
from grader.sandbox.isolation.process import (
    Child,
    Disturbed,
    Ended,
    Program,
    Stopped,
    raise_if_stopped,
    unfinished,
)
from grader.sandbox.isolation.task import ChildExit, pack
from grader.sandbox.runners.child.harness import ANSWER, BLOB, FAILED, HEADER, LENGTH
from grader.text import Text, untrusted

TORCH = ("numpy", "torch", "torch._dynamo")
"""Libraries of a harness for torch, with what a TorchDispatchMode imports on its first use."""
COLD_SECONDS = 60.0
"""For an interpreter of its own to import its libraries, where no warm process is."""
_EARLY = Text(
    "Something answered before it was asked; answer by returning from the function, and do not "
    "write to file descriptors that you did not open."
)
_NO_ANSWER = Text(
    "What came back is no answer of the function: something wrote to file descriptors that it "
    "did not open; only return values."
)

_TOO_LARGE = Text(
    "The function returned {size:,} bytes, at most {max_bytes:,} are allowed; return numbers and "
    "short names only."
)


@dataclass(frozen=True)
class HarnessJob:
    """The code that is called, and the harness that calls it."""

    harness: Mapping[str, bytes]
    """Trusted modules by name, in the order of their import; the last one answers the calls."""
    files: Mapping[str, bytes]
    """The submission's files by relative path; they become the working folder."""
    libraries: tuple[str, ...] = TORCH
    """Imported once by the warm process, before any submission is there."""
    lost_calls: int = 3
    """Number of calls out of time after which the others are not made."""


@dataclass(frozen=True)
class Call:
    """One call of the harness."""

    name: str
    order: Mapping[str, Any]
    """The argument of the harness, as JSON."""
    seconds: float = 10.0
    max_bytes: int = 2**20
    """Limit of the answer's size."""
    too_large: Text = _TOO_LARGE
    """The sentence for an answer above it."""


@dataclass(frozen=True)
class Answered:
    """The answer to one call: `value` or `blob`, or an `error` with its status."""

    name: str
    value: Any = None
    """Plain data from JSON; None for bytes and errors."""
    blob: bytes | None = None
    error: Text | None = None
    status: Status = Status.GRADED
    seconds: float = 0.0
    """Wall-clock seconds from the call to the answer, measured by the trusted side."""


@dataclass(frozen=True)
class HarnessRun:
    answers: tuple[Answered, ...]
    """One for each call, in their order."""
    log: str


def run_harness(job: HarnessJob, calls: Sequence[Call], limits: RunLimits) -> HarnessRun:
    """Make all calls, in order. Raises Disturbed when the machine ended or starved a child, Fault
    when none can be started; what a submission does wrong is in its answers."""
    run = _Run(job, limits)
    try:
        for call in calls:
            run.make(call)
    finally:
        run.end()
    return HarnessRun(tuple(run.answers), run.log)


class _Run:
    """The calls made so far, and the child that answers them."""

    def __init__(self, job: HarnessJob, limits: RunLimits) -> None:
        self.answers: list[Answered] = []
        self.log = ""
        self._job = job
        self._limits = limits
        self._child: Child | None = None
        self._own = limits
        """The limits of the child, which are those of the call that it was started for."""
        self._lost = 0

    def make(self, call: Call) -> None:
        """Make a call. When a child that had answered others ends, make it once more in a new
        child, so that no call is affected by those before it."""
        if self._lost >= self._job.lost_calls:
            self.answers.append(
                _failed(
                    call,
                    Text(
                        "Not asked any more: {lost} calls before it ran out of time.",
                        lost=self._lost,
                    ),
                    Status.TIMED_OUT,
                )
            )
            return
        if self._child is not None and self._own.wall_seconds != call.seconds:
            self.end()  # its time limit is another
        fresh = self._child is None
        answer = self._ask(call)
        if self._child is None and not fresh:
            answer = self._ask(call)
        self._lost += answer.status is Status.TIMED_OUT
        self.answers.append(answer)

    def end(self) -> Ended | None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is None:
            return None
        try:
            ended = child.finish()
        finally:
            child.close()
        self._keep(ended.log)
        return ended

    def _ask(self, call: Call) -> Answered:
        """The answer, or an error; when the child ended, there is none any more."""
        child = self._child = self._child or self._begin(call)
        started = time.perf_counter()
        try:
            if child.pending():
                self._drop(child)
                return _failed(call, _EARLY, Status.REJECTED)
            question = json.dumps(dict(call.order)).encode()
            child.send(LENGTH.pack(len(question)) + question)
            kind, size = HEADER.unpack(child.receive(HEADER.size))
            if kind not in (ANSWER, BLOB, FAILED):
                self._drop(child)
                return _failed(call, _NO_ANSWER, Status.REJECTED)
            if size > call.max_bytes:
                self._drop(child)
                text = call.too_large.filled(size=size, max_bytes=call.max_bytes)
                return _failed(call, text, Status.REJECTED)
            data = child.receive(size)
        except BrokenPipeError:
            return self._ended(call)
        return _understood(call, kind, data, time.perf_counter() - started, self._own)

    def _begin(self, call: Call) -> Child:
        def limits(seconds: float) -> RunLimits:
            return structs.replace(self._limits, wall_seconds=seconds, cpu_seconds=seconds)

        self._own = limits(call.seconds)
        cold = COLD_SECONDS if levels.current_level().level in "CD" else 0.0
        return levels.start(
            Program(
                task="harness",
                order={},
                confine="code",
                libraries=self._job.libraries,
                blobs=[pack(self._job.files), pack(self._job.harness)],
                limits=limits(call.seconds + cold),
            )
        )

    def _ended(self, call: Call) -> Answered:
        """The error of a call during which the child ended."""
        ended = self.end()
        assert ended is not None
        try:
            raise_if_stopped(ended, self._own, "code")
            raise unfinished(0, 1, ended.log)
        except Disturbed:
            raise
        except Stopped as stopped:
            return _failed(call, stopped.text, stopped.status)

    def _drop(self, child: Child) -> None:
        self._child = None
        child.close()
        self._keep(child.log)

    def _keep(self, log: str) -> None:
        self.log = (self.log + log)[: self._limits.log_bytes]


def _understood(call: Call, kind: int, data: bytes, seconds: float, limits: RunLimits) -> Answered:
    if kind == BLOB:
        return Answered(call.name, blob=data, seconds=seconds)
    try:
        value = json.loads(data, parse_constant=_no_number)
        if kind == ANSWER:
            return Answered(call.name, value=value, seconds=seconds)
        code, message = value
        told = Ended(int(ChildExit(code)), None, seconds, untrusted.one_line(str(message)))
    except (ValueError, TypeError, RecursionError):
        return _failed(call, _NO_ANSWER, Status.REJECTED, seconds)
    try:
        raise_if_stopped(told, limits, "code")
    except Stopped as stopped:
        return _failed(call, stopped.text, stopped.status, seconds)
    return _failed(call, _NO_ANSWER, Status.REJECTED, seconds)


def _no_number(constant: str) -> float:
    raise ValueError(constant)


def _failed(call: Call, error: Text, status: Status, seconds: float = 0.0) -> Answered:
    return Answered(call.name, error=error, status=status, seconds=seconds)
