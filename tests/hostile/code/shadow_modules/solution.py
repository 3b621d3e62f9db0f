"""Brings numpy.py, json.py, struct.py and others of its own: the runner must not import them."""

import numpy as np


def solve(x):
    return np.array([x.max() - x.min()], dtype=np.float32)
