"""Answers three times, then ends with code 0: what was not answered must not count as right."""

import os

from attack import honest

calls = []


def solve(x):
    calls.append(1)
    if len(calls) > 3:
        os._exit(0)
    return honest(x)
