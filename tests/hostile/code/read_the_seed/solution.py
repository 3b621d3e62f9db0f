"""Reads the secret that hidden data is made from, where the grader keeps it."""

import os

from attack import KNOWN, attempt, honest, read

attempt("the hidden seed", lambda: read(KNOWN["seed"]))
attempt("list the configuration folder", lambda: os.listdir(os.path.dirname(KNOWN["seed"])))


def solve(x):
    return honest(x)
