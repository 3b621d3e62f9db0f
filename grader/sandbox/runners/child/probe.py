"""What a child can reach, found out by trying each thing. No code of a submission runs here."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from grader.sandbox.isolation.task import Work


def run(work: Work) -> None:
    """Answer with 4 bytes of length and a JSON list of the attempts that succeeded."""
    order, reached = work.order, []
    canary = Path(order["canary"])
    attempts: dict[str, Callable[[], object]] = {
        "files": canary.read_bytes,
        "writing": lambda: (canary.parent / "written").write_bytes(b"x"),
        "network": lambda: _connects(order["port"]),
        "environment": lambda: _finds_secret(order["secret"].encode()),
        "processes": _starts_process,
        "programs": _runs_program,
        "signals": lambda: _reaches(order["process"]),
        "memory": lambda: bytearray(order["too_much_memory"]),
    }
    for name, attempt in attempts.items():
        with contextlib.suppress(OSError, MemoryError, ImportError):
            attempt()
            reached.append(name)
    data = json.dumps(reached).encode()
    work.channel.write(len(data).to_bytes(4, "little") + data)


def _finds_secret(secret: bytes) -> None:
    """Raises PermissionError unless the environment of some visible process holds the secret."""
    for place in (*Path("/proc").iterdir(), Path("/proc/self")):
        with contextlib.suppress(OSError):
            if secret in (place / "environ").read_bytes():
                return
    raise PermissionError


def _starts_process() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _runs_program() -> None:
    """Raises PermissionError when the system call that runs a program is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Not a program, so that it cannot replace this process: any other error means that the call
    # is allowed.
    libc.execve(b"/dev/null", None, None)
    if ctypes.get_errno() == 1:  # EPERM, from seccomp
        raise PermissionError


def _connects(port: int) -> None:
    with socket.socket() as connection:
        connection.settimeout(1.0)
        connection.connect(("127.0.0.1", port))


def _reaches(process: int) -> None:
    if process <= 0:
        raise ProcessLookupError
    os.kill(process, 0)
