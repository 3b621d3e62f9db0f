"""Makes processes with the raw system calls, past everything that Python or libc might patch."""

import os

from attack import attempt, honest, syscall

SIGCHLD = 17


def clone(flags):
    if syscall("clone", flags | SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
    return "cloned"


attempt("clone", lambda: clone(0))
attempt("clone into new namespaces", lambda: clone(0x10000000 | 0x20000000))  # user, pid
attempt("vfork", lambda: clone(0x4000))  # CLONE_VFORK without CLONE_VM


def solve(x):
    return honest(x)
