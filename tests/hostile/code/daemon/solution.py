"""Forks twice, starts a session of its own and stays: nothing may outlive the run."""

import ctypes
import os
import signal
import time

from attack import attempt, honest


def daemonise():
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        ctypes.CDLL(None).prctl(15, b"left-behind")  # PR_SET_NAME
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        time.sleep(600)
    return "a daemon was started"


attempt("daemonise", daemonise)


def solve(x):
    return honest(x)
