"""Becomes another program, which prints and stays: execve must be refused."""

import os

from attack import attempt, honest

SCRIPT = "echo BREACH: execve worked >&2; sleep 600"
attempt("execve", lambda: os.execve("/bin/sh", ["sh", "-c", SCRIPT], {}))


def solve(x):
    return honest(x)
