"""The system's simulator: simavr, behind a small C program that is built once and kept.

It is there to check our own by. Grades come from that one, whose memory no firmware can leave.
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

from grader.board.compiling import folder
from grader.board.engine import DATA_BYTES, EVENT, STATE, Event, State, events_from
from grader.text import Text
from grader.text.errors import Fault, UsageError

HERE = Path(__file__).parent
RUNNER = HERE / "simavr" / "runner.c"
HEADERS = (HERE / "core" / "board.h", HERE / "core" / "instructions.h")


def available() -> bool:
    """Whether the runner can be built here."""
    try:
        runner()
    except UsageError:
        return False
    return True


class Simavr:
    """Implements grader.board.engine.Engine in a child process."""

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
        return state, events_from(self._receive(EVENT.size * state.event_count))

    def memory(self) -> bytes:
        self._send(b"M")
        return self._receive(DATA_BYTES)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(message)
            self._process.stdin.flush()
        except OSError as error:
            raise Fault(_DIED) from error

    def _receive(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise Fault(_DIED)
        return data


@cache
def runner() -> Path:
    """The runner's path; compiled on first use. Raises UsageError where that is impossible."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in (RUNNER, *HEADERS)))
    program = folder() / f"simavr-{digest.hexdigest()[:16]}"
    if program.exists():
        return program
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise UsageError(_MISSING)
    with tempfile.TemporaryDirectory(dir=folder(), prefix="simavr-") as place:
        made = Path(place) / "runner"
        include = f"-I{HEADERS[0].parent}"
        command = [compiler, "-O2", include, "-o", str(made), str(RUNNER), "-lsimavr"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            raise UsageError(_MISSING) from error
        made.replace(program)
    return program


_MISSING = Text(
    en="simavr is not installed here (Debian: apt install libsimavr-dev gcc); the portable "
    "simulator needs nothing.",
    ru="simavr здесь не установлен (Debian: apt install libsimavr-dev gcc); переносимому "
    "симулятору ничего не нужно.",
)
_DIED = Text(
    en="The simavr process ended unexpectedly; run the command again with the portable simulator.",
    ru="Процесс simavr неожиданно завершился; повторите команду с переносимым симулятором.",
)
