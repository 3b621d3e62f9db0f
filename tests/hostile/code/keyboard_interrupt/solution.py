"""Raises KeyboardInterrupt, which would stop a batch that takes it for Ctrl-C."""


def solve(x):
    raise KeyboardInterrupt
