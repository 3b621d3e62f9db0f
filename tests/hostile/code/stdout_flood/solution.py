"""Prints without end: stopped, and the log stays small."""


def solve(x):
    while True:
        print("x" * 10_000)
