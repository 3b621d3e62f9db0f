"""Keeps itself waiting with busy threads of its own: a machine that is too busy is our fault."""

import contextlib
import hashlib
import threading

from attack import say

say("attempt: look starved")


def busy():
    while True:
        hashlib.sha256(bytes(2**20))  # lets other threads run meanwhile


threading.stack_size(2**18)  # memory is limited: as many threads as possible out of little of it
with contextlib.suppress(RuntimeError):
    for _ in range(12):
        threading.Thread(target=busy, daemon=True).start()


def solve(x):
    while True:
        hashlib.sha256(bytes(2**20))
