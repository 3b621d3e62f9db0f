"""Starts a shell in every way that Python knows: no program may be executed."""

import os
import subprocess

from attack import attempt, honest

attempt("os.system", lambda: os.system("exit 7") == 7 << 8)
attempt("subprocess", lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True))
attempt("posix_spawn", lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}))
attempt("popen", lambda: os.popen("echo hello").read())


def solve(x):
    return honest(x)
