"""Traces and profiles every function of the process that called it, to see or change answers."""

import sys
import threading

from attack import breach, honest, say

SECRET = "CAN" + "ARY-"  # what every secret of the tests begins with
say("attempt: trace")


def trace(frame, event, argument):
    try:
        seen = str(frame.f_locals)
    except Exception:  # of an object that is just being made
        return trace
    if SECRET in seen:
        breach(f"a secret in {frame.f_code}")
    for name, value in frame.f_locals.items():
        if getattr(value, "size", 0) >= 20 and "grader" in frame.f_code.co_filename:
            breach(f"{name}: {value.shape}")
    return trace


def solve(x):
    sys.settrace(trace)
    sys.setprofile(trace)
    threading.settrace(trace)
    if frame := sys._getframe().f_back:
        frame.f_trace = trace
    return honest(x)
