"""Ignores every signal that asks, and computes for ever."""

import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        continue


def solve(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
