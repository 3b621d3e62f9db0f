"""Makes folders that are hard to delete: without permissions, deep, with names of any bytes."""

import os

from attack import honest, say

say("attempt: to be in the way of cleaning up")
try:
    os.makedirs("locked/inside")
    with open("locked/inside/file", "w") as file:
        file.write("x")
    with open(b"\xff\n\x1b[31m", "w") as file:
        file.write("x")
    os.chmod("locked/inside", 0)
    os.chmod("locked", 0)
    for _ in range(600):
        os.mkdir("deep" * 20)
        os.chdir("deep" * 20)
except OSError as error:
    say(f"  {type(error).__name__}")


def solve(x):
    return honest(x)
