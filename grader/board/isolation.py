"""Confining a compiler of the system: it sees its own files and the project, nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

CPU_SECONDS = 60
MEMORY_BYTES = 1 << 30
FILE_BYTES = 16 << 20


def isolated_command(
    command: Sequence[str], *, readable: Sequence[Path], folder: Path
) -> list[str] | None:
    """`command` under bubblewrap, in `folder`, which is all that it can write; None where
    bubblewrap does not work.

    Of the system it sees `readable`, read-only, and the libraries that these programs load.
    Environment, network and other processes are out of reach; processor time, memory and the
    size of files are limited.
    """
    if not works():
        return None
    arguments = ["prlimit", f"--cpu={CPU_SECONDS}", f"--as={MEMORY_BYTES}"]
    arguments += [f"--fsize={FILE_BYTES}", "--core=0", "--"]
    arguments += ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--setenv", "PATH", "/usr/bin", "--setenv", "LC_ALL", "C.UTF-8"]
    arguments += ["--setenv", "SOURCE_DATE_EPOCH", "0"]
    for path in (*readable, *libraries(tuple(readable))):
        arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--tmpfs", "/tmp", "--bind", str(folder), "/project", "--chdir", "/project"]
    return [*arguments, "--", *command]


@cache
def works() -> bool:
    """Whether an isolated command starts here, found out by starting one that looks for a file
    which exists outside."""
    if shutil.which("bwrap") is None or shutil.which("prlimit") is None:
        return False
    shell = Path("/bin/sh").resolve()
    arguments = ["bwrap", "--unshare-all", "--clearenv"]
    for path in (shell, *libraries((shell,))):
        arguments += ["--ro-bind", str(path), str(path)]
    try:
        probe = subprocess.run(
            [*arguments, "--", str(shell), "-c", "test -e /etc/passwd || echo shut"],
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.stdout == b"shut\n"


@cache
def libraries(programs: tuple[Path, ...]) -> tuple[Path, ...]:
    """The shared libraries that programs load, and their loader, by `ldd`."""
    found: set[Path] = set()
    for program in programs:
        if program.is_file():
            listed = subprocess.run(["ldd", str(program)], capture_output=True, check=False)
            found.update(map(Path, re.findall(r"(/\S+) \(0x", listed.stdout.decode())))
    return tuple(sorted(found))
