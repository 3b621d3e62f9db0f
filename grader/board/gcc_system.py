"""The compiler of the system: avr-gcc with avr-libc, confined by bubblewrap."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from grader.board.compiling import (
    DIALECTS,
    FLAGS,
    LINK_FLAGS,
    MAX_LOG,
    WALL_SECONDS,
    Compiled,
    NotIsolated,
    compile_error,
    link_error,
    too_slow,
)
from grader.board.isolation import isolated_command
from grader.board.project import Project
from grader.sandbox.isolation.watch import WatchedProcess
from grader.text import Text
from grader.text.errors import UsageError

_LINK = ("-mmcu=atmega328p", *(f"-Wl,{flag}" for flag in LINK_FLAGS))
_PROGRAMS = ("cc1", "cc1plus", "as", "ld", "collect2")


def available() -> bool:
    return shutil.which("avr-gcc") is not None


def build(project: Project, *, trusted: bool) -> Compiled:
    """Compile and link. Raises Rejected with the compiler's sentence; NotIsolated where there is
    no isolation and the work is another person's (`trusted` is false)."""
    if not available():
        raise UsageError(
            Text(
                en="avr-gcc is not installed here (Debian: apt install gcc-avr avr-libc); the "
                "portable compiler needs nothing.",
                ru="avr-gcc здесь не установлен (Debian: apt install gcc-avr avr-libc); "
                "переносимому компилятору ничего не нужно.",
            )
        )
    with tempfile.TemporaryDirectory(prefix="grader-avr-") as place:
        folder = Path(place)
        for name, data in project.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return _build(project, folder, trusted)


def _build(project: Project, folder: Path, trusted: bool) -> Compiled:
    log, objects = "", list[str]()
    deadline = time.monotonic() + WALL_SECONDS

    def run(*arguments: str) -> tuple[int, str]:
        return _run(arguments, folder, deadline, trusted)

    for number, source in enumerate(project.sources):
        made = f"_{number}.o"
        dialect = DIALECTS[Path(source).suffix]
        code, said = run(*FLAGS, *dialect, "-c", source, "-o", made)
        log += said
        if code:
            raise compile_error(said, source)
        objects.append(made)
    code, said = run(*_LINK, *objects, "-o", "_firmware.elf", "-lm")
    if code:
        raise link_error(said)
    return Compiled((folder / "_firmware.elf").read_bytes(), log[:MAX_LOG], version())


def _run(arguments: Sequence[str], folder: Path, deadline: float, trusted: bool) -> tuple[int, str]:
    driver = str(_driver())
    command = isolated_command([driver, *arguments], readable=_toolchain(), folder=folder)
    if command is None:
        if not trusted:
            raise NotIsolated
        command = [driver, *arguments]
    child = WatchedProcess(
        command,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "0"},
        cwd=folder,
        wall_seconds=deadline - time.monotonic(),
        memory_bytes=1 << 30,
        log_bytes=MAX_LOG,
    )
    try:
        code = child.finish()
    finally:
        child.close()
    if child.killed:
        raise too_slow()
    return code, child.log


@cache
def version() -> str:
    """As in `avr-gcc 5.4.0`."""
    said = subprocess.run([str(_driver()), "-dumpversion"], capture_output=True, check=False)
    return f"avr-gcc {said.stdout.decode().strip()}"


@cache
def _driver() -> Path:
    found = shutil.which("avr-gcc")
    assert found is not None
    return Path(found).resolve()


@cache
def _toolchain() -> tuple[Path, ...]:
    """Programs and folders that avr-gcc uses: its own, binutils' and avr-libc's."""
    programs = [_driver(), *(Path(_ask(f"-print-prog-name={name}")) for name in _PROGRAMS)]
    folders = [
        Path(_ask("-print-libgcc-file-name")).parent,
        Path(_ask("-print-file-name=libc.a")).resolve().parents[1],
        Path(_ask("-print-file-name=libc.a")).resolve().parent.parent / "include",
    ]
    folders = [folder for folder in folders if len(folder.parts) > 3]
    linked = [program.resolve() for program in programs]
    chosen = dict.fromkeys([*folders, *programs, *linked])
    return tuple(path for path in chosen if path.is_absolute() and path.exists())


def _ask(option: str) -> str:
    said = subprocess.run([str(_driver()), option], capture_output=True, check=False)
    return said.stdout.decode().strip()
