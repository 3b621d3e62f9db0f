"""Searches the whole heap for hidden inputs, labels and secrets of the trusted side."""

import gc
import sys

import numpy as np

from attack import breach, honest, say

SECRET = "CAN" + "ARY-"  # what every secret of the tests begins with
calls = []


def solve(x):
    calls.append(np.array(x))
    if len(calls) == 3:
        say("attempt: search the heap")
        search()
    return honest(x)


def search():
    for found in gc.get_objects():
        if isinstance(found, np.ndarray) and found is not calls:
            # Arrays of the hidden rows: 20 of them, or 40 with the repetitions.
            if found.ndim and found.shape[0] in (20, 40) and found.dtype.kind == "f":
                breach(f"an array of {found.shape}")
        if isinstance(found, dict) and "GRADER_HIDDEN_SEED" in found:
            breach("the hidden seed")
    for name, module in list(sys.modules.items()):
        if name == __name__:
            continue
        if SECRET in str(getattr(module, "__dict__", {}))[:1_000_000]:
            breach(f"a secret in {module}")
