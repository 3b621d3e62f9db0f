"""Raises SystemExit from solve(): an exception like any other, not the end of the grader."""


def solve(x):
    raise SystemExit(0)
