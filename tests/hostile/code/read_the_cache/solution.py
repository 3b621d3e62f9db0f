"""Reads the cache of data sets, where features of hidden clips lie."""

import os

from attack import KNOWN, attempt, honest, read

attempt("list the cache", lambda: os.listdir(KNOWN["cache"]))
attempt("read from it", lambda: read(KNOWN["cached"]))


def solve(x):
    return honest(x)
