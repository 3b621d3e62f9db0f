"""Answers with complex numbers, whose imaginary part must not silently vanish."""

import numpy as np

from attack import honest


def solve(x):
    return honest(x) + np.array([1j])
