"""Takes open files out of other processes: pidfd_getfd and /proc/PID/fd."""

import os

from attack import attempt, honest, others, syscall


def steal(pid):
    fd = syscall("pidfd_open", pid, 0)
    return [n for n in range(10) if syscall("pidfd_getfd", fd, n, 0)]


for pid in others():
    attempt("pidfd_getfd", lambda pid=pid: steal(pid))
    attempt("/proc/PID/fd", lambda pid=pid: os.listdir(f"/proc/{pid}/fd"))


def solve(x):
    return honest(x)
