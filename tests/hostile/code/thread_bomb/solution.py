"""Starts threads until there are no more: the limit stops it, and the machine goes on."""

import threading
import time

from attack import attempt, honest


def bomb():
    try:
        for _ in range(5000):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    finally:
        time.sleep(1)  # to be seen
    return "5,000 threads"


threading.stack_size(2**16)  # so that memory does not run out before
attempt("start 5,000 threads", bomb)


def solve(x):
    return honest(x)
