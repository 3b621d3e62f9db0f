"""Runs right after its twin, in the same worker: it must find a fresh process and folder."""

import glob
import os

import numpy as np

from attack import attempt, honest

attempt("marks in numpy", lambda: [m for m in (np, np.linalg) if hasattr(m, "left_behind")])
attempt("marks in the environment", lambda: os.environ.get("LEFT_BEHIND"))
attempt("files of an earlier run", lambda: glob.glob("left-behind*") + glob.glob("../left-behind*"))
attempt("files of an earlier run in /tmp", lambda: glob.glob("/tmp/left-behind*"))


def solve(x):
    return honest(x)
