"""Limits of a child process that are enforced from outside.

`WatchedProcess` starts an interpreter of its own and limits its wall time, memory and output; it
works the same on Linux, macOS and Windows. `LinuxUsage` reads what a forked child uses from /proc.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import PATIENCE, Ended, Killed
from grader.text import untrusted

try:
    import psutil
except ImportError:  # not available on every system: time and output are limited all the same
    psutil = None

TICK_SECONDS = 0.04
"""Between looks at a forked child; what it can take in that time, the kernel limits."""
LOG_FACTOR = 64
"""A child that prints this many times what is kept of its log is stopped."""
_STATISTICS = ("stat", "statm", "schedstat")


class WatchedProcess:
    """One child, its pipes, and a thread that kills it when it exceeds a limit."""

    def __init__(
        self, command: Sequence[str], *, env: dict[str, str], cwd: Path, limits: RunLimits
    ) -> None:
        self._killed: Killed | None = None
        self._log = bytearray()
        self._limits = limits
        self._started = time.monotonic()
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
        self._stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout
        self._threads = [
            threading.Thread(target=self._drain, args=(self._process.stderr,), daemon=True),
            threading.Thread(target=self._watch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._stdin.write(view) :]
            except OSError as error:
                raise BrokenPipeError from error

    def receive(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            block = self._stdout.read(count - len(parts))
            if not block:
                raise BrokenPipeError
            parts += block
        return bytes(parts)

    def finish(self) -> Ended:
        """Wait for the end."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        code = self._process.wait()
        for thread in self._threads:
            thread.join()
        self._stdout.close()
        return Ended(code, self._killed, time.monotonic() - self._started, self.log)

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
            if time.monotonic() > self._started + self._limits.wall_seconds:
                self._kill("time")
            elif _private_bytes(self._process.pid) > self._limits.memory_bytes:
                self._kill("memory")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=pause)
            pause = min(pause * 2, 0.05)

    def _drain(self, stream: IO[bytes]) -> None:
        total = 0
        while block := stream.read(65536):
            total += len(block)
            self._log += block[: max(0, self._limits.log_bytes - len(self._log))]
            if total > LOG_FACTOR * self._limits.log_bytes:
                self._kill("output")
        stream.close()

    def _kill(self, why: Killed) -> None:
        if self._killed is None:
            self._killed = why
        with contextlib.suppress(OSError):
            self._process.kill()


class LinuxUsage:
    """What a child uses, read from /proc now and then."""

    def __init__(self, pidfd: int, limits: RunLimits) -> None:
        self._limits = limits
        self._start = self._last = time.monotonic()
        self._private: int | None = None
        self._tick = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        # Kept open: looking up three paths costs more than reading them.
        folder = f"/proc/{_pid(pidfd)}"
        self._files = [_open_if_there(f"{folder}/{name}") for name in _STATISTICS]

    def exceeded(self, now: float) -> Killed | None:
        """The limit that is broken at `now`, if any."""
        if now - self._last < TICK_SECONDS / 2:
            return None
        try:
            stat, statm, schedstat = (_contents(file) for file in self._files)
            fields = stat.rpartition(")")[2].split()  # proc_pid_stat(5)
            cpu, threads = (int(fields[11]) + int(fields[12])) / self._tick, int(fields[17])
            resident, shared = map(int, statm.split()[1:3])  # proc_pid_statm(5)
            private = (resident - shared) * self._page
            # Ready to run, without a core (Documentation/scheduler/sched-stats.rst).
            starved = int(schedstat.split()[1]) / 1e9 if schedstat else 0.0
        except (OSError, IndexError, ValueError):  # the child is just ending
            return None
        self._last = now
        if self._private is None:
            self._private = private  # what it shares with the warm process until it writes
        # The most informative limit comes first: on a slow machine, several may be broken at once.
        if private - self._private > self._limits.memory_bytes:
            return "memory"
        if threads > self._limits.processes:
            return "threads"
        if cpu > self._limits.cpu_seconds:
            return "cpu"
        elapsed = now - self._start
        if elapsed - starved > self._limits.wall_seconds:
            return "time"
        if elapsed > PATIENCE * self._limits.wall_seconds:
            return "starved"
        return None

    def core_seconds(self) -> float | None:
        """Processor time of the child, exact to the nanosecond; None where it is not known. The
        kernel adds it up when the child goes to sleep, so this waits until it does, which is soon
        after it has written its answer."""
        stat, _, schedstat = self._files
        end = time.monotonic() + TICK_SECONDS
        try:
            while _contents(stat).rpartition(")")[2].split()[0] != "S":
                if time.monotonic() > end:
                    break
                time.sleep(2e-5)
            return int(_contents(schedstat).split()[0]) / 1e9
        except (OSError, IndexError, ValueError):  # the child is ending, or there is no such file
            return None

    def close(self) -> None:
        for file in self._files:
            if file >= 0:
                os.close(file)


def _private_bytes(pid: int) -> int:
    """Resident memory without pages shared with other processes, where the system tells."""
    if psutil is None:
        return 0
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))


def _contents(file: int) -> str:
    """The text of an open file of /proc; empty for one that this kernel does not have."""
    return os.pread(file, 1024, 0).decode() if file >= 0 else ""


def _open_if_there(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _pid(pidfd: int) -> int:
    """Number of a process in the namespace of this one."""
    for line in Path("/proc/self/fdinfo", str(pidfd)).read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return -1
