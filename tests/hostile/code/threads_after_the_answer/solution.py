"""Leaves threads running, handlers and destructors behind: they end with the run."""

import atexit
import threading
import time
import weakref

from attack import honest, say

say("attempt: to live on after the last answer")
atexit.register(time.sleep, 600)
atexit.register(print, "BREACH: ran after the last answer")
keeper = {1}
weakref.finalize(keeper, print, "BREACH: ran after the last answer")


def busy():
    while True:
        time.sleep(0.01)


threading.Thread(target=busy).start()


def solve(x):
    return honest(x)
