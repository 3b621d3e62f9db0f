"""Brings packages that Python imports before anything else, and a source encoding of its own."""

import numpy as np


def solve(x):
    return np.array([x.max() - x.min()], dtype=np.float32)
