"""Prints what would clear a terminal, set its title, or run a script in a browser."""

import sys

from attack import honest

print("\x1b[2J\x1b]0;owned\x07\x9b31m\r\0\b\N{RIGHT-TO-LEFT OVERRIDE}<script>alert(1)</script>")
sys.stdout.flush()
sys.stdout.buffer.write(bytes(range(256)) * 4)
sys.stdout.flush()


def solve(x):
    return honest(x)
