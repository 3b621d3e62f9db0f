"""Stops itself with SIGSTOP: a process that is neither alive nor dead must still time out."""

import os
import signal


def solve(x):
    os.kill(os.getpid(), signal.SIGSTOP)
    return x
