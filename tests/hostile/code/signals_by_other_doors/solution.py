"""The less known system calls that signal: tgkill, tkill, sigqueue, pidfd, SIGIO by F_SETOWN."""

import fcntl
import os
import signal

from attack import attempt, honest, others, syscall


def by_pidfd(pid):
    fd = syscall("pidfd_open", pid, 0)
    return syscall("pidfd_send_signal", fd, int(signal.SIGKILL), None, 0) == 0


def by_owner(pid):
    """SIGKILL as the signal of a pipe's readiness: the kernel sends it, not we."""
    readable, writable = os.pipe()
    fcntl.fcntl(readable, fcntl.F_SETOWN, pid)
    fcntl.fcntl(readable, 10, int(signal.SIGKILL))  # F_SETSIG
    fcntl.fcntl(readable, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writable, b"x")
    os.kill(pid, 0)


for pid in others():
    attempt("tgkill", lambda pid=pid: syscall("tgkill", pid, pid, 9) == 0)
    attempt("tkill", lambda pid=pid: syscall("tkill", pid, 9) == 0)
    attempt("pidfd_send_signal", lambda pid=pid: by_pidfd(pid))
    attempt("F_SETOWN", lambda pid=pid: by_owner(pid))


def solve(x):
    return honest(x)
