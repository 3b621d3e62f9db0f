"""The program of a child that `cold` starts: opens its files, limits itself, and runs one task.

Started as `python -P -m grader.sandbox.isolation.cold_child JSON`; requests come on stdin, answers
go to stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from grader.sandbox.isolation.task import Channel, Work, guarded

_BINARY = getattr(os, "O_BINARY", 0)


def main() -> int:
    given = json.loads(sys.argv[1])
    channel = Channel(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what libraries print goes to the log
    task = importlib.import_module(f"grader.sandbox.runners.child.{given['task']}")
    work = Work(
        order=given["order"],
        channel=channel,
        inputs=_open(given["inputs"], os.O_RDONLY),
        answers=_open(given["answers"], os.O_RDWR),
        blobs=[_open(blob, os.O_RDONLY) for blob in given["blobs"]],
        kept=None if given["kept"] is None else task.keep(Path(given["kept"]).read_bytes()),
    )
    _limit(given["limits"])
    return guarded(task, work)


def _open(path: str | None, flags: int) -> int:
    return -1 if path is None else os.open(path, flags | _BINARY)


def _limit(limits: dict[str, int]) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent watches from outside
        return
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # A hard limit a second later makes the kernel send SIGXCPU first, which tells the cause.
        grace = 1 if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else 0
        try:
            resource.setrlimit(kind, (value, value + grace))
        except (ValueError, OSError):  # macOS refuses some limits; the parent watches too
            continue


if __name__ == "__main__":
    sys.exit(main())
