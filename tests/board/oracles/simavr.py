"""simavr behind `simavr_runner.c`, which is compiled once and kept.

Needs libsimavr with its headers and a C compiler (Debian: libsimavr-dev gcc).
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from grader.board import Board, Image
from grader.board.compiler import cache_folder
from grader.board.core.build import HERE as CORE
from grader.board.processor import DATA_BYTES, EVENT, STATE, Event, State

RUNNER = Path(__file__).parent / "simavr_runner.c"
HEADERS = (CORE / "board.h", CORE / "instructions.h")


def available() -> bool:
    """Whether the runner can be built here."""
    return runner() is not None


class Simavr:
    """The interface of grader.board.processor.Processor, in a child process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(runner())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}
        )

    def load(self, flash: bytes, data_marks: bytes, sram: bytes, stack_limit: int) -> None:
        self._send(b"L" + struct.pack("<I", stack_limit) + flash + data_marks + sram)

    def run(
        self, limit: int, data: bytes = b"", *, stop_at_line_end: bool = False
    ) -> tuple[State, list[Event]]:
        self._send(b"R" + struct.pack("<QII", limit, stop_at_line_end, len(data)) + data)
        state = State._make(STATE.unpack(self._receive(STATE.size)))
        events = self._receive(EVENT.size * state.event_count)
        return state, list(map(Event._make, EVENT.iter_unpack(events)))

    def memory(self) -> bytes:
        self._send(b"M")
        return self._receive(DATA_BYTES)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()

    def _send(self, message: bytes) -> None:
        self._process.stdin.write(message)
        self._process.stdin.flush()

    def _receive(self, size: int) -> bytes:
        data = self._process.stdout.read(size)
        assert len(data) == size, "the simavr process ended"
        return data


def board(image: Image) -> Board:
    """A board with simavr as its processor."""
    return Board(image, processor=Simavr())


@cache
def runner() -> Path | None:
    """The runner's path, None where it cannot be built; compiled on first use."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in (RUNNER, *HEADERS)))
    program = cache_folder() / f"simavr-{digest.hexdigest()[:16]}"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if program.exists() or compiler is None:
        return program if program.exists() else None
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="simavr-") as place:
        made = Path(place) / "runner"
        command = [compiler, "-O2", f"-I{CORE}", "-o", str(made), str(RUNNER), "-lsimavr"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError):
            return None
        made.replace(program)
    return program
