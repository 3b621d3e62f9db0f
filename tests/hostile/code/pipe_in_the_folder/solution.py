"""Makes a pipe in its folder that blocks whoever opens it, the clean-up included."""

import os

from attack import honest, say

say("attempt: block the clean-up")
try:
    os.mkfifo("model.onnx")
    os.mkfifo("results")
except OSError as error:
    say(f"  {type(error).__name__}")


def solve(x):
    return honest(x)
