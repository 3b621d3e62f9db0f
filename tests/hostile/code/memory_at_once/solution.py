"""Asks for 8 GiB at once."""


def solve(x):
    return bytearray(2**33)
