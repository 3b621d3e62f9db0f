"""Calls abort(): a crash with its signal, and no core file."""

import os


def solve(x):
    os.abort()
