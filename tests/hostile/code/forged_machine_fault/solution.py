"""Lowers its own processor limit until the kernel kills it: that must not pass for our fault."""

import resource

from attack import say

say("attempt: be killed by the kernel")
try:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
except (OSError, ValueError) as error:
    say(f"  {type(error).__name__}")


def solve(x):
    while True:
        pass
