"""Files that run code when somebody opens them carelessly, beside an honest answer."""

import numpy as np


def solve(x):
    return np.array([x.max() - x.min()], dtype=np.float32)
