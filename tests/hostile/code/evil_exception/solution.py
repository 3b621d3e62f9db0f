"""An exception whose message cannot be had: asking for it raises, and raises again."""


class Evil(Exception):
    def __str__(self):
        raise Evil

    __repr__ = __str__


def solve(x):
    raise Evil
