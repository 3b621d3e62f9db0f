"""Keeps itself waiting with busy threads of its own: a machine that is too busy is our fault."""

import hashlib
import threading

from attack import say

say("attempt: look starved")


def busy():
    while True:
        hashlib.sha256(bytes(2**20))  # lets other threads run meanwhile


for _ in range(12):
    threading.Thread(target=busy, daemon=True).start()


def solve(x):
    while True:
        hashlib.sha256(bytes(2**20))
