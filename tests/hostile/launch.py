"""Runs a command and reports what it left: started by the tests, as any user.

    python launch.py SECONDS COMMAND ...

This process adopts every orphan below it (PR_SET_CHILD_SUBREAPER), so that no daemon escapes,
however often it forked. While the command runs, processes that call themselves `left-behind` are
watched: none may live longer than SECONDS. The report is one JSON object on stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psutil

PR_SET_CHILD_SUBREAPER = 36
MARK = "left-behind"


def main() -> int:
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    daemons: set[str] = set()
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(daemons, over, seconds), daemon=True)
    watch.start()
    # Files, not pipes: a daemon that keeps a pipe open must not keep us waiting.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        code = subprocess.call(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
        )
        over.set()
        watch.join()
        left = _left()
        report = {"code": code, "left": left, "daemons": sorted(daemons)}
        for name, file in (("stdout", output), ("stderr", errors)):
            file.seek(0)
            report[name] = file.read().decode("utf-8", "replace")
    print(json.dumps(report))
    return 0


def _watch(daemons: set[str], over: threading.Event, seconds: float) -> None:
    while not over.wait(0.25):
        for process in psutil.Process().children(recursive=True):
            try:
                if process.name() == MARK and time.time() - process.create_time() > seconds:
                    daemons.add(f"{process.pid} {process.cmdline()}")
            except psutil.Error:
                continue


def _left() -> list[str]:
    """Processes below this one once the command has ended; they are killed."""
    time.sleep(0.5)  # what was killed may still have to be reaped
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.name()} {' '.join(process.cmdline())[:200]}")
            os.kill(process.pid, signal.SIGKILL)
        except (psutil.Error, OSError):
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
