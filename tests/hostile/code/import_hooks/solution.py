"""Replaces numpy and the runner's modules in sys.modules, and answers all later imports."""

import sys

from attack import honest, say

say("attempt: own the imports")


class Finder:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit(0)


sys.meta_path.insert(0, Finder())
for name in list(sys.modules):
    if name.split(".")[0] in ("json", "struct", "os", "socket", "grader", "mmap", "pickle"):
        sys.modules[name] = None


def solve(x):
    return honest(x)
