"""How strongly a child process is confined on this machine, found out by trying; and its start.

Level A is bubblewrap, Landlock, seccomp and limits; B is A without bubblewrap; C is limits of the
kernel alone; D is watching from outside. A level is in force only after a real child was refused
everything that it promises to refuse.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.launch import environment, find_bubblewrap, python
from grader.sandbox.isolation.process import Child, Confine, Program
from grader.text import EMPTY, Text
from grader.text.errors import Fault, UsageError

Level = Literal["A", "B", "C", "D"]
FORCED = "GRADER_ISOLATION"
"""Environment variable: use this level and no other."""

_PROBE_LIMITS = RunLimits(wall_seconds=20.0, cpu_seconds=10.0, memory_bytes=64 * 2**20)
_TOO_MUCH = 2**30
_MAX_ANSWER = 4096
_LIMIT_PROBE = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
try:
    bytearray(2**29)
except MemoryError:
    print("limited", end="")
"""

_WHY: dict[Level, Text] = {
    "A": Text(
        "bubblewrap around a warm process (no network, no host processes, read-only system, "
        "empty environment), and in it a child per submission with Landlock, seccomp and limits; "
        "files, writing, network, environment, processes, programs, signals and memory were "
        "tried and refused"
    ),
    "B": Text(
        "a child process per submission with Landlock, seccomp and limits, without bubblewrap; "
        "files, writing, network, environment, processes, programs, signals and memory were "
        "tried and refused"
    ),
    "C": Text(
        "a separate process with enforced limits on memory, processor time and file size only: "
        "for one's own work"
    ),
    "D": Text(
        "a separate process watched from outside for time and memory; this system enforces no "
        "resource limits: for one's own work"
    ),
}

_FORCED = Text("{forced} asks for this level and no other", forced=FORCED)


@dataclass(frozen=True)
class Isolation:
    """A level of isolation, and why it is the one in force here."""

    level: Level
    why: Text
    stronger: Text = EMPTY
    """What keeps this machine from the next level, and how to get it."""


@cache
def current_level() -> Isolation:
    """The strongest level whose promises hold here, each tried on a real child. Raises UsageError
    when GRADER_ISOLATION asks for one that does not hold."""
    forced = os.environ.get(FORCED, "").upper()
    levels: tuple[Level, ...] = ("A", "B", "C", "D")
    missing: list[Text] = []
    for level in levels:
        if forced and level != forced:
            continue
        lacks = _lacks(level)
        if lacks is None:
            stronger = missing[0] if missing else _FORCED if forced and level != "A" else EMPTY
            return Isolation(level, _WHY[level], stronger)
        missing.append(lacks)
    if missing:
        raise UsageError(
            "{variable}={forced}: {why}", variable=FORCED, forced=forced, why=missing[0]
        )
    raise UsageError(
        "{variable} must be A, B, C or D, not {forced}.", variable=FORCED, forced=forced
    )


def start(program: Program) -> Child:
    """A running child, confined at the current level. Raises Fault when it does not start."""
    level = current_level().level
    if level in ("A", "B"):
        from grader.sandbox.isolation import warm

        return warm.start(program, level)
    from grader.sandbox.isolation.cold import ColdChild

    return ColdChild(program)


def require_for_others(trust: bool) -> None:
    """Raises UsageError when other people's work should not run here: below level B, unless the
    instructor trusts it (`trust`)."""
    found = current_level()
    if trust or found.level in ("A", "B"):
        return
    raise UsageError(
        "Other people's submissions are run at isolation level A or B; this machine has level "
        "{level} ({stronger}). Use a machine that `grader doctor` shows at A or B, or pass "
        "--trust if you trust every submission.",
        level=found.level,
        stronger=found.stronger,
    )


def _lacks(level: Level) -> Text | None:
    """Why `level` cannot be promised here, or None when everything it promises holds."""
    if level == "D":
        return None
    if level == "C":
        if _limits_are_enforced():
            return None
        return Text("this system does not enforce limits on a process's memory")
    if sys.platform != "linux":
        return Text(
            "levels A and B need Linux; on Windows use WSL 2, on macOS a Linux virtual machine"
        )
    if (machine := platform.machine()) not in ("x86_64", "aarch64"):
        return Text(
            "levels A and B know the system calls of x86-64 and aarch64, not of {machine}",
            machine=machine,
        )
    try:
        from grader.sandbox.isolation import linux

        if linux.landlock_abi() == 0:
            return Text(
                "levels A and B need Landlock: Linux 5.13 or newer with `landlock` among its "
                "security modules"
            )
        if level == "A" and find_bubblewrap() is None:
            return Text(
                "for level A bubblewrap is missing; on Debian or Ubuntu: apt install bubblewrap"
            )
        reached = {*_reached(level, "code"), *_reached(level, "compute")}
        if level == "A":
            # What bubblewrap alone refuses, even to a child that is not confined itself.
            outside = {"files", "writing", "network", "environment", "signals"}
            reached |= outside & _reached(level, "nothing")
    except (Fault, OSError, ValueError, ImportError) as error:
        return Text(
            "a sandbox of level {level} does not start here: {error}", level=level, error=error
        )
    if not reached:
        return None
    names = ", ".join(sorted(reached))
    return Text("a confined child still reached: {names}", names=names)


def _reached(level: Level, confine: Confine) -> set[str]:
    """Names of what a child that is confined like this could do although it must not."""
    from grader.sandbox.isolation import warm

    secret = secrets.token_hex(16)
    with (
        tempfile.TemporaryDirectory(prefix="grader-probe-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
        # A process with a secret in its environment, as this one may have.
        subprocess.Popen(
            [*python(), "-c", "import sys; sys.stdin.read()"],
            env=environment() | {"GRADER_CANARY": secret},
            stdin=subprocess.PIPE,
        ) as bystander,
    ):
        canary = Path(folder, "canary")
        canary.write_text(secret, encoding="utf-8")
        program = Program(
            task="probe",
            order={
                "canary": str(canary),
                "port": server.getsockname()[1],
                "secret": secret,
                "process": bystander.pid,
                "too_much_memory": _TOO_MUCH,
            },
            confine=confine,
            libraries=(),
            limits=_PROBE_LIMITS,
        )
        child = warm.start(program, level)
        try:
            size = int.from_bytes(child.receive(4), "little")
            return set(json.loads(child.receive(min(size, _MAX_ANSWER))))
        except BrokenPipeError as error:
            raise ValueError(child.finish().log.strip().splitlines()[-1:]) from error
        finally:
            child.close()


def _limits_are_enforced() -> bool:
    """Whether an allocation fails in a child that has limited its memory to less."""
    try:
        probe = subprocess.run(
            [*python(), "-c", _LIMIT_PROBE],
            env=environment(),
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.stdout == b"limited"
