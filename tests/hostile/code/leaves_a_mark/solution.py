"""Leaves marks everywhere in the process that was forked for it; its twin looks for them."""

import os

import numpy as np

from attack import attempt, honest, write

np.left_behind = True
np.linalg.left_behind = True
np.random.seed(0)
os.environ["LEFT_BEHIND"] = "1"
attempt("a file in its own folder", lambda: write(".") and None)
attempt("a file one folder up", lambda: write("..") and None)


def solve(x):
    return honest(x)
