"""Walks over the disk for whatever it can open below the places where people keep things."""

import os

from attack import KNOWN, attempt, honest


def search(top):
    token = KNOWN["mark"]
    for folder, _, names in os.walk(top, onerror=None):
        if token in folder and any(name.startswith(("solution", "canary")) for name in names):
            return folder
    return None


for top in ("/home", "/root", "/mnt", "/srv", "/var/lib", "/tmp", "/run"):
    attempt(f"search {top}", lambda top=top: search(top))
attempt("search its parent folders", lambda: search("../../.."))
attempt("search the parent's working folder", lambda: search(f"/proc/{os.getppid()}/cwd"))


def solve(x):
    return honest(x)
