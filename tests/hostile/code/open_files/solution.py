"""Opens files until there are no more descriptors."""

from attack import attempt, honest

kept = []


def fill():
    for _ in range(2000):
        kept.append(open("/dev/null"))
    return "2,000 open files"


attempt("open 2,000 files", fill)
kept.clear()


def solve(x):
    return honest(x)
