"""What to run in a sandbox, said once for every way of starting a child."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.ending import Ended

Confine = Literal["compute", "code", "nothing"]
"""`compute`: descriptors and memory only, no path can be opened (sandbox B). `code`: student
Python with a private folder and the installed libraries (sandbox A). `nothing`: our own probe."""


@dataclass(frozen=True)
class Program:
    """One task of `grader.sandbox.isolation.work` and what it is given. Nothing in it is secret."""

    task: str
    order: Mapping[str, Any]
    """The task's arguments, as JSON."""
    confine: Confine
    libraries: tuple[str, ...] = ("numpy",)
    """Imported once by the warm process that the child is forked from."""
    inputs: Path | None = None
    """A file of ours that the child may read, through a descriptor."""
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
        """Whether bytes lie ready that nobody asked for."""

    def core_seconds(self) -> float | None:
        """Seconds that it has spent on a core, exact once it waits for the next request; None
        where the system does not tell."""

    def finish(self) -> Ended:
        """Wait for the end."""

    def answers(self) -> bytes:
        """The results, float32, after the end: nothing can change them any more."""

    def close(self) -> None:
        """End the child whatever it does, and free what it had."""


# How long an answer took: on a core where the kernel tells, on our clock where it does not.


Answer = TypeVar("Answer")


def timed(child: Child, ask: Callable[[], Answer]) -> tuple[Answer, float]:
    """What `ask` brought from the child, and the seconds that the child spent on it.

    Time on a core is read from the kernel by us, when the child waits again: what else the machine
    was doing is not in it, which on a busy one moves ratios of wall-clock times by a factor of two.
    """
    before, began = child.core_seconds(), time.perf_counter()
    answer = ask()
    elapsed, after = time.perf_counter() - began, child.core_seconds()
    return answer, elapsed if before is None or after is None else after - before
