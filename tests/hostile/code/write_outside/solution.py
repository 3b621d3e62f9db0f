"""Leaves files wherever a later run, another student or the instructor would find them."""

import sys

from attack import KNOWN, attempt, honest, write

for place in ("home", "class", "out", "self", "cache", "course"):
    attempt(f"write to {place}", lambda place=place: write(KNOWN[place]))
for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/usr/lib/python3", "/"):
    attempt(f"write to {place}", lambda place=place: write(place) and place in KNOWN["host"])
for place in [path for path in sys.path if "site-packages" in path]:
    attempt("write to site-packages", lambda place=place: write(place))


def solve(x):
    return honest(x)
