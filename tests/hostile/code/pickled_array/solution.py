"""Returns an array of objects, which numpy would hand over as a pickle."""

import os

import numpy as np


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/left-behind-pickle",)


def solve(x):
    return np.array([Bomb()], dtype=object)
