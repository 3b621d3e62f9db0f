"""Changes the array it was given: the next rows, the repetitions and the labels must not notice."""

import numpy as np

from attack import honest


def solve(x):
    answer = honest(x)
    try:
        x[:] = np.nan
        x.resize((0,), refcheck=False)
    except ValueError:
        pass
    return answer
