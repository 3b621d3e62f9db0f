"""Recurses in C until the stack ends: takes this process along and nothing else."""

import sys


def solve(x):
    sys.setrecursionlimit(2**31 - 1)
    nested = ()
    for _ in range(1_000_000):
        nested = (nested,)
    return isinstance(x, nested)
