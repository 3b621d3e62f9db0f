"""Writes files, each within the limit, until the disk or its inodes are used up."""

import os
import time

from attack import attempt, honest


def fill():
    total = 0
    for number in range(3000):
        with open(f"small-{number}", "wb") as file:
            total += file.write(b"\1" * (2**18 if number < 200 else 1))
    time.sleep(1)  # whoever looks at the disk now and then has to see it
    return f"{total} bytes in {len(os.listdir())} files"


attempt("write 50 MB in 3,000 files", fill)


def solve(x):
    return honest(x)
