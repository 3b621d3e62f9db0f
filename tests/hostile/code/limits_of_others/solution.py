"""Takes the limits, priority and processors of other processes away, and lifts its own."""

import os
import resource

from attack import attempt, honest, others

attempt(
    "lift the memory limit", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)) or "lifted"
)
attempt(
    "lift the processor limit",
    lambda: resource.setrlimit(resource.RLIMIT_CPU, (-1, -1)) or "lifted",
)
attempt("higher priority", lambda: os.nice(-10) < 0)
for pid in others():
    attempt(
        "prlimit of another process",
        lambda pid=pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)) is not None,
    )
    attempt(
        "priority of another process",
        lambda pid=pid: os.setpriority(os.PRIO_PROCESS, pid, 19) or "changed",
    )
    attempt(
        "processors of another process", lambda pid=pid: os.sched_setaffinity(pid, {0}) or "changed"
    )


def solve(x):
    return honest(x)
