"""Sleeps: the wall clock stops it."""

import time


def solve(x):
    time.sleep(1e6)
