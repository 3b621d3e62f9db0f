"""Answers some rows, ends with code 0 at others: what was not answered must not count as right."""

import os

from attack import honest


def solve(x):
    if x[0] > 0:
        os._exit(0)
    return honest(x)
