"""Walks up the frames of its callers for inputs that are still to come, and rewrites them."""

import sys

import numpy as np

from attack import breach, honest, say

SUSPECT = ("label", "expected", "truth", "answers_wanted", "seed")


def solve(x):
    say("attempt: walk the frames")
    frame = sys._getframe()
    while frame is not None:
        for names in (frame.f_locals, frame.f_globals):
            for name, value in list(names.items()):
                if isinstance(value, np.ndarray) and value.size >= 20:
                    breach(f"an array of {value.shape} called {name} in {frame.f_code}")
                if any(word in name.lower() for word in SUSPECT) and "grader" in str(
                    frame.f_globals.get("__name__")
                ):
                    breach(f"{name} in {frame.f_code}")
        frame.f_locals.update(out_shape=(0,), seconds=0.0, deadline=1e9)
        frame = frame.f_back
    return honest(x)
