"""A child process under watch: wall time, memory and output are limited from outside.

Works the same on Linux, macOS and Windows; where the kernel can also enforce limits, the
child sets them on itself before it opens anything.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

from grader.text import untrusted

try:
    import psutil
except ImportError:  # a system without what psutil stands on: time and output are watched still
    psutil = None

Killed = Literal["time", "memory", "output"]


class Watched:
    """One child, its pipes, and a thread that kills it when it exceeds a limit."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str],
        cwd: Path,
        wall_seconds: float,
        memory_bytes: int,
        log_bytes: int,
    ) -> None:
        self.killed: Killed | None = None
        self.seconds = 0.0
        self._log = bytearray()
        self._log_bytes = log_bytes
        self._memory_bytes = memory_bytes
        self._started = time.monotonic()
        self._deadline = self._started + wall_seconds
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            bufsize=0,
            start_new_session=True,  # a Ctrl-C of the batch lets runs in flight finish
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdin: IO[bytes] = self._process.stdin
        self.stdout: IO[bytes] = self._process.stdout
        self._threads = [
            threading.Thread(target=self._drain, args=(self._process.stderr,), daemon=True),
            threading.Thread(target=self._watch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def read_exactly(self, count: int) -> bytes:
        """`count` bytes of the child's answers; fewer when it ended."""
        parts = bytearray()
        while len(parts) < count:
            block = self.stdout.read(count - len(parts))
            if not block:
                break
            parts += block
        return bytes(parts)

    def finish(self) -> int:
        """Wait for the end; the exit code, negative for a signal on POSIX."""
        with contextlib.suppress(OSError):
            self.stdin.close()
        code = self._process.wait()
        for thread in self._threads:
            thread.join()
        self.stdout.close()
        self.seconds = time.monotonic() - self._started
        return code

    def close(self) -> None:
        """End the child whatever it does."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self.finish()

    @property
    def log(self) -> str:
        """What the child printed, bounded and without control characters."""
        return untrusted.log(bytes(self._log))

    def _watch(self) -> None:
        pause = 0.005
        while self._process.poll() is None:
            if time.monotonic() > self._deadline:
                self._kill("time")
            elif _private_bytes(self._process.pid) > self._memory_bytes:
                self._kill("memory")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=pause)
            pause = min(pause * 2, 0.05)

    def _drain(self, stream: IO[bytes]) -> None:
        total = 0
        while block := stream.read(65536):
            total += len(block)
            self._log += block[: max(0, self._log_bytes - len(self._log))]
            if total > 64 * self._log_bytes:
                self._kill("output")
        stream.close()

    def _kill(self, why: Killed) -> None:
        if self.killed is None:
            self.killed = why
        with contextlib.suppress(OSError):
            self._process.kill()


def _private_bytes(pid: int) -> int:
    """Resident memory without pages shared with other processes, where the system tells."""
    if psutil is None:
        return 0
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))
