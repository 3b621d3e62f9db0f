"""Reads what only root may read, in case the grader runs as root."""

import os

from attack import attempt, honest, read

attempt("/etc/shadow", lambda: read("/etc/shadow"))
attempt("/etc/sudoers", lambda: read("/etc/sudoers"))
attempt("/etc/ssh", lambda: [name for name in os.listdir("/etc/ssh") if "key" in name])
attempt("/proc/kcore", lambda: open("/proc/kcore", "rb").read(4))
attempt("the kernel's log", lambda: open("/dev/kmsg", "rb").read(1))


def solve(x):
    return honest(x)
