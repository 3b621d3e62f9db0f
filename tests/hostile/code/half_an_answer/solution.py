"""Writes half an answer and waits: whoever reads the other half must not wait for ever."""

import os
import time

from attack import say


def solve(x):
    say("attempt: write half an answer")
    for fd in range(3, 64):
        try:
            os.write(fd, b"\0\0")
        except OSError:
            continue
    time.sleep(1e6)
