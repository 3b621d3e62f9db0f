"""Kills the process that called it, and the process group: neither may feel it."""

import os
import signal

from attack import attempt, honest, others

for pid in others():
    attempt(
        f"kill {'the parent' if pid == os.getppid() else 'a bystander'}",
        lambda pid=pid: os.kill(pid, signal.SIGKILL) or "killed",
    )


def solve(x):
    return honest(x)
