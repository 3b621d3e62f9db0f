"""Leaves links in its folder: reading through them, and cleaning up after them, must be safe."""

import os

from attack import KNOWN, attempt, honest, read, say

say("attempt: links")
for number, target in enumerate((KNOWN["secret"], KNOWN["class"], KNOWN["home"], "/")):
    try:
        os.symlink(target, f"link-{number}")
    except OSError as error:
        say(f"  {type(error).__name__}")
attempt("read through a link", lambda: read("link-0"))
attempt("list through a link", lambda: os.listdir("link-1"))
attempt("hard link to the secret", lambda: os.link(KNOWN["secret"], "hard") or read("hard"))
attempt("rename the secret into its folder", lambda: os.rename(KNOWN["secret"], "mine") or "done")


def solve(x):
    return honest(x)
