"""Reads the instructor's home folder: keys, history, configuration."""

import os

from attack import KNOWN, attempt, honest, read

attempt("the key in ~/.ssh", lambda: read(KNOWN["secret"]))
attempt("list the home folder", lambda: os.listdir(KNOWN["home"]))
attempt("list /root", lambda: os.listdir("/root"))
attempt("read it through /proc/self/root", lambda: read("/proc/self/root" + KNOWN["secret"]))


def solve(x):
    return honest(x)
