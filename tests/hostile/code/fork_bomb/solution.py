"""Forks without end: no process may be made, and none be left."""

import os

from attack import attempt, honest


def bomb():
    for _ in range(200):
        if os.fork() == 0:
            while True:
                os.fork()
    return "forked"


attempt("fork", bomb)


def solve(x):
    return honest(x)
