"""Reads environments, its own and others': that is where tokens and the hidden seed live."""

import os
from pathlib import Path

from attack import KNOWN, attempt, honest, others, read


def secrets_of(pid):
    found = read(f"/proc/{pid}/environ")
    return [line for line in found.split("\0") if "SEED" in line or "CANARY" in line]


def everyone():
    return [pid.name for pid in Path("/proc").glob("[0-9]*") if readable(pid.name)]


def readable(pid):
    try:
        return bool(secrets_of(pid))
    except OSError:
        return False


attempt("its own", lambda: secrets_of("self"))
attempt("os.environ", lambda: {k: v for k, v in os.environ.items() if "SEED" in k} or None)
for pid in {1, *others()}:
    attempt("another process's", lambda pid=pid: secrets_of(pid))
attempt("everyone's", everyone)
attempt(
    "command lines of others",
    lambda: (
        KNOWN["mark"] in str([read(str(path)) for path in Path("/proc").glob("[0-9]*/cmdline")])
    ),
)


def solve(x):
    return honest(x)
