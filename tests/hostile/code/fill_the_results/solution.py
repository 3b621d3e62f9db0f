"""Maps every descriptor that can be mapped and fills it: results without any work."""

import mmap
import os

import numpy as np

from attack import say

say("attempt: fill the results")
for fd in range(3, 256):
    try:
        size = os.fstat(fd).st_size
        with mmap.mmap(fd, size) as room:
            room[:] = b"\0\0\x80?" * (size // 4) + b"\0" * (size % 4)
    except (OSError, ValueError, TypeError):
        continue


def solve(x):
    return np.ones(1, dtype=np.float32)
