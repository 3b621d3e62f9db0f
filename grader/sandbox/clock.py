"""How long an answer took: on a core where the kernel tells, on our clock where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from grader.sandbox.program import Child

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
