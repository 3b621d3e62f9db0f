"""Computes for ever: the limit of processor time stops it."""


def solve(x):
    while True:
        pass
