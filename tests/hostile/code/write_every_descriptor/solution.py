"""Writes answers, acknowledgements and lengths into every open descriptor, before it is asked."""

import os

from attack import honest, say

say("attempt: forge messages")
FORGED = (b"\x00", b"\x01", b"ok\n", b'{"status": "graded", "score": 5.0}\n', b"\0\0\0\0" * 8)
for fd in range(3, 256):
    for message in FORGED:
        try:
            os.set_blocking(fd, False)
            os.write(fd, message)
        except OSError:
            break


def solve(x):
    return honest(x) * 0
