"""Guesses after the first half of the calls: every timed call is also an answer that counts."""

import numpy as np

from attack import honest

calls = []


def solve(x):
    calls.append(1)
    return honest(x) if len(calls) <= 20 else np.zeros(1, dtype=np.float32)
