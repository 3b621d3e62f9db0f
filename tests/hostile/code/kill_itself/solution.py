"""Kills itself: the grade must name the signal, and not call it our fault."""

import os
import signal


def solve(x):
    os.kill(os.getpid(), signal.SIGKILL)
