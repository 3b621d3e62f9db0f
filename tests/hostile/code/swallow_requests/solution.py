"""Reads the requests itself, from every descriptor: hidden inputs that are still to come."""

import os
import select

from attack import breach, honest, say


def solve(x):
    say("attempt: read requests")
    for fd in range(3, 64):
        try:
            if select.select([fd], [], [], 0)[0]:
                if len(found := os.read(fd, 2**16)) >= x.nbytes:
                    breach(f"{len(found)} bytes that were not asked for yet, in {fd}")
        except (OSError, ValueError):
            continue
    return honest(x)
