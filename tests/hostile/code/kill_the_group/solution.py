"""Sends SIGTERM to its own process group: whoever shares it must not."""

import os
import signal

from attack import honest, say

say("attempt: signal the process group")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    os.killpg(0, signal.SIGTERM)
except OSError as error:
    say(f"  {type(error).__name__}")


def solve(x):
    return honest(x)
