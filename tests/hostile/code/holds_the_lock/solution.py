"""Computes for ever in C without giving Python's lock back: no thread of ours may need it."""

import re


def solve(x):
    return re.match(r"(a|a|a)*b", "a" * 200)
