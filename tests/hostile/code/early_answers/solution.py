"""Acknowledges before it has worked: a thread writes to every descriptor while it sleeps."""

import os
import threading
import time

from attack import honest, say

say("attempt: answer early")


def acknowledge():
    while True:
        for fd in range(3, 64):
            try:
                os.write(fd, b"\x01\0\0\0")
            except OSError:
                continue
        time.sleep(0.005)


threading.Thread(target=acknowledge, daemon=True).start()


def solve(x):
    time.sleep(0.03)
    return honest(x) + 1
