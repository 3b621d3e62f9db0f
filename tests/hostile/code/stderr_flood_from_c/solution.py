"""Writes to descriptor 2 without end, past Python's own buffers."""

import os


def solve(x):
    while True:
        os.write(2, b"y" * 65536)
