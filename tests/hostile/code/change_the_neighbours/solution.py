"""Changes and deletes other submissions, its own, and grades."""

import os

from attack import KNOWN, attempt, honest


def overwrite(path):
    with open(path, "w") as file:
        file.write("def solve(x): return 0")
    return "changed"


attempt("overwrite another submission", lambda: overwrite(KNOWN["neighbour"]))
attempt("overwrite the lesson", lambda: overwrite(KNOWN["autograder"]))
attempt("delete the key", lambda: os.remove(KNOWN["secret"]) or "deleted")
attempt("put a grade beside the others", lambda: overwrite(KNOWN["out"] + "/grades/forged.json"))


def solve(x):
    return honest(x)
