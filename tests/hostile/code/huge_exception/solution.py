"""An exception of eight million characters that pretends to be a traceback of ours."""


def solve(x):
    raise ValueError("Traceback (most recent call last):\n" + "\x1b[31m A" * 2_000_000)
