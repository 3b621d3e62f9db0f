"""Returns an object whose __array__ and __float__ run code wherever they are asked."""

import os

from attack import KNOWN, honest, say


class Answer:
    def __init__(self, x):
        self.x = x
        self.pid = os.getpid()

    def __array__(self, dtype=None, copy=None):
        if os.getpid() != self.pid or os.path.exists(KNOWN["secret"]):
            say("BREACH: code of the submission ran outside its process")
        return honest(self.x)

    def __float__(self):
        return 1.0


def solve(x):
    return Answer(x)
