"""Attaches to other processes as a debugger: whoever can, owns them."""

from attack import attempt, honest, others, syscall

PTRACE_SEIZE = 0x4206
for pid in others():
    attempt("ptrace", lambda pid=pid: syscall("ptrace", PTRACE_SEIZE, pid, 0, 0) == 0)


def solve(x):
    return honest(x)
