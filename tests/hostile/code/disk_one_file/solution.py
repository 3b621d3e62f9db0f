"""Writes one file until the disk is full."""

import os

from attack import attempt, honest


def fill():
    with open("large", "wb", buffering=0) as file:
        for _ in range(64):
            file.write(b"\1" * 2**20)
    return os.path.getsize("large") > 2**25


attempt("write 64 MiB", fill)


def solve(x):
    return honest(x)
