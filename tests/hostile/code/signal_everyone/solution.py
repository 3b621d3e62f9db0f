"""Looks for processes it may signal, one by one and all at once (with signal 0: no harm)."""

import os

from attack import attempt, honest


def reachable():
    found = []
    for pid in range(2, 70_000):
        if pid == os.getpid():
            continue
        try:
            os.kill(pid, 0)
        except OSError:
            continue
        found.append(pid)
    return found


attempt("signal all processes at once", lambda: os.kill(-1, 0) or "some")
attempt("find processes to signal", reachable)


def solve(x):
    return honest(x)
