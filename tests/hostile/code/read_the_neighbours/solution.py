"""Copies from other submissions, and from grades that are finished."""

import os

from attack import KNOWN, attempt, honest, read

attempt("list the class", lambda: os.listdir(KNOWN["class"]))
attempt("another submission", lambda: read(KNOWN["neighbour"]))
attempt("list the grades", lambda: os.listdir(KNOWN["out"]))
attempt("its own folder before it was copied", lambda: os.listdir(KNOWN["self"]))


def solve(x):
    return honest(x)
