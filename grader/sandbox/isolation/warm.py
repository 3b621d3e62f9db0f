"""Warm processes and the children forked from them, seen from the trusted side (Linux)."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import math
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation import environment as bubblewrap
from grader.sandbox.isolation import syscalls
from grader.sandbox.isolation.ending import PATIENCE, Ended, Killed, not_here
from grader.sandbox.isolation.environment import environment, library_folders, python
from grader.sandbox.isolation.program import Child, Program
from grader.sandbox.isolation.work import READY
from grader.text import Text, untrusted
from grader.text.errors import Fault

START_SECONDS = 120.0
END_SECONDS = 20.0
"""For a killed child to be reported; a process in an uninterruptible wait can take a while."""
TICK_SECONDS = 0.04
"""Between looks at a child; what it takes meanwhile, the kernel limits."""
PLACE_BYTES = 512 * 2**20
_MESSAGE_BYTES = 64 * 1024
_LOG_FACTOR = 64
"""A child that prints this many times what is kept is stopped."""


def start(program: Program, level: str) -> Child:
    """A child of the warm process for `program.libraries`, which is started if need be. Raises
    Fault when it does not start."""
    key = (program.libraries, level)
    zygote = _zygotes.get(key)
    if zygote is None or not zygote.alive:
        zygote = _zygotes[key] = Zygote(program.libraries, level)
    return zygote.fork(program)


def close_all() -> None:
    """End every warm process of this one."""
    while _zygotes:
        _zygotes.popitem()[1].close()


_zygotes: dict[tuple[tuple[str, ...], str], Zygote] = {}
"""A resource of the process, as open files are; one submission at a time uses it."""
atexit.register(close_all)


class Zygote:
    """One warm process."""

    def __init__(self, libraries: tuple[str, ...], level: str) -> None:
        self._kept = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        # At level A the wrapper has a place of its own, in memory.
        self._places = None if level == "A" else TemporaryDirectory(prefix="grader-places-")
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                self._command(theirs.fileno(), libraries, level),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                # At level A the wrapper's own environment could be read by what it wraps.
                env={} if level == "A" else self._environment(level),
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket.settimeout(START_SECONDS)
        self.receive()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, program: Program) -> WarmChild:
        try:
            kept = self._keep(program)
            return WarmChild(self, program, kept)
        except BaseException:
            self.close()
            raise

    def send(self, message: dict[str, Any], descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            raise self._gone(error) from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message of the warm process. Raises Fault when there is none."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._socket, _MESSAGE_BYTES, 1)
        except OSError as error:
            raise self._gone(error) from error
        if not message:
            raise self._gone(None)
        return json.loads(message), list(descriptors)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
        if self._places is not None:
            with contextlib.suppress(OSError):
                self._places.cleanup()

    def _command(self, descriptor: int, libraries: tuple[str, ...], level: str) -> list[str]:
        module = [
            "-m",
            "grader.sandbox.isolation.zygote",
            str(descriptor),
            ",".join(libraries),
            level,
        ]
        command = [*python(), *module]
        if level != "A":
            return command
        return bubblewrap.wrap(command, self._environment(level), library_folders(), PLACE_BYTES)

    def _environment(self, level: str) -> dict[str, str]:
        place = bubblewrap.PLACE if self._places is None else self._places.name
        return environment() | {"GRADER_PLACE": place, "TMPDIR": place}

    def _keep(self, program: Program) -> str:
        """Have the warm process load trusted bytes, unless it did for the last submission."""
        if program.kept is None:
            return ""
        digest = hashlib.sha256(program.kept).hexdigest()
        if digest != self._kept:
            descriptor = syscalls.holding(program.kept, "kept")
            try:
                self.send({"keep": digest, "task": program.task}, [descriptor])
            finally:
                os.close(descriptor)
            self.receive()
            self._kept = digest
        return digest

    def _gone(self, error: OSError | None) -> Fault:
        self._errors.seek(0)
        said = (untrusted.log(self._errors.read()).strip().splitlines() or [str(error or "?")])[-1]
        return Fault(
            Text(
                en=f"The warm process of the sandbox ended ({said[:300]}); `grader doctor` says "
                "what is missing.",
                ru=f"Подготовленный процесс песочницы завершился ({said[:300]}); `grader doctor` "
                "подскажет, чего не хватает.",
            )
        )


class WarmChild:
    """One forked child: its wire, its log, and the limits that are watched from outside."""

    def __init__(self, zygote: Zygote, program: Program, kept: str) -> None:
        self._zygote = zygote
        self._limits = program.limits
        self._killed: Killed | None = None
        self._log = bytearray()
        self._logged = 0
        self._answers = -1
        self._ended = False
        self._end: Ended | None = None
        self._socket, theirs = socket.socketpair()
        self._log_end, log_start = os.pipe()
        os.set_blocking(self._log_end, False)
        self._socket.setblocking(False)
        given = [log_start, theirs.detach()]
        try:
            given += self._memories(program)
            self._started = time.monotonic()
            zygote.send(_message(program, kept), given)
        finally:
            for descriptor in given:
                if descriptor != self._answers:
                    os.close(descriptor)
        _, (self._pidfd,) = zygote.receive()
        self._watch = _Watch(self._pidfd, program.limits)
        self._poll = select.poll()
        for descriptor in (self._socket.fileno(), self._log_end, self._pidfd):
            self._poll.register(descriptor, select.POLLIN)
        self._require_ready()

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                self._poll.modify(self._socket.fileno(), select.POLLOUT)
                self._step()
                self._poll.modify(self._socket.fileno(), select.POLLIN)
            except ConnectionError as error:
                raise BrokenPipeError from error

    def receive(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            try:
                block = self._socket.recv(count - len(parts))
            except BlockingIOError:
                self._step()
                continue
            except ConnectionError as error:
                raise BrokenPipeError from error
            if not block:
                raise BrokenPipeError
            parts += block
        return bytes(parts)

    def pending(self) -> bool:
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except (BlockingIOError, ConnectionError):
            return False

    def core_seconds(self) -> float | None:
        return self._watch.core_seconds()

    def finish(self) -> Ended:
        if self._end is not None:
            return self._end
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._socket.fileno())
        while not self._ended:
            self._step()
        self._read_log()
        message, _ = self._zygote.receive()
        self._end = Ended(
            code=message["code"],
            killed=self._killed or ("disk" if message["filled_disk"] else None),
            seconds=time.monotonic() - self._started,
            log=untrusted.log(bytes(self._log)),
            cpu_seconds=message["cpu_seconds"],
        )
        return self._end

    def answers(self) -> bytes:
        return syscalls.contents(self._answers)

    def close(self) -> None:
        if self._end is None:
            self._kill(None)
            with contextlib.suppress(Fault, OSError):
                self.finish()
        self._socket.close()
        self._watch.close()
        for descriptor in (self._log_end, self._pidfd, self._answers):
            if descriptor >= 0:
                os.close(descriptor)

    def _require_ready(self) -> None:
        """Nothing of the submission has run before this byte: what ends earlier is our fault."""
        try:
            self.receive(len(READY))
        except BrokenPipeError as error:
            ended = self.finish()
            self.close()
            raise Fault(not_here(ended.log)) from error

    def _memories(self, program: Program) -> list[int]:
        """Descriptors in the order that a child expects: inputs, answers, blobs."""
        found = []
        if program.inputs is not None:
            found.append(os.open(program.inputs, os.O_RDONLY | os.O_CLOEXEC))
        if program.answers is not None:
            self._answers = syscalls.unanswered(program.answers, "answers")
            found.append(self._answers)
        return [*found, *(syscalls.holding(blob, "blob") for blob in program.blobs)]

    def _step(self) -> None:
        """Wait for something to happen, a tick at the longest, and enforce the limits."""
        ready = {descriptor for descriptor, _ in self._poll.poll(1000 * TICK_SECONDS)}
        if self._log_end in ready:
            self._read_log()
        if self._pidfd in ready:
            self._ended = True
            return
        reason = self._watch.exceeded(time.monotonic())
        if reason is not None:
            self._kill(reason)

    def _read_log(self) -> None:
        """Keep the start of what was printed, and stop what floods."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._log_end, 65536):
                self._logged += len(block)
                self._log += block[: max(0, self._limits.log_bytes - len(self._log))]
                if self._logged > _LOG_FACTOR * self._limits.log_bytes:
                    self._kill("output")
                    return
        # End of file: polling it again would only spin.
        if not block:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._log_end)

    def _kill(self, why: Killed | None) -> None:
        if self._killed is None:
            self._killed = why
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


class _Watch:
    """What a child uses, read from /proc now and then."""

    def __init__(self, pidfd: int, limits: RunLimits) -> None:
        self.starved_seconds = 0.0
        """For which the child was ready to run and had no core: not its own time."""
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
            cpu, threads = self._status(stat)
            private = self._private_bytes(statm)
            self.starved_seconds = _waited(schedstat)
        except (OSError, IndexError, ValueError):  # it is just ending
            return None
        self._last = now
        if self._private is None:
            self._private = private  # what it shares with the warm process until it writes
        # What says most comes first: a slow machine may show several at once.
        if private - self._private > self._limits.memory_bytes:
            return "memory"
        if threads > self._limits.processes:
            return "threads"
        if cpu > self._limits.cpu_seconds:
            return "cpu"
        elapsed = now - self._start
        if elapsed - self.starved_seconds > self._limits.wall_seconds:
            return "time"
        if elapsed > PATIENCE * self._limits.wall_seconds:
            return "starved"
        return None

    def core_seconds(self) -> float | None:
        """Nanosecond-exact processor time. The kernel adds it up when the child goes to sleep, so
        this waits for that: it has written its answer and is about to."""
        stat, _, schedstat = self._files
        end = time.monotonic() + TICK_SECONDS
        try:
            while _contents(stat).rpartition(")")[2].split()[0] != "S":
                if time.monotonic() > end:
                    break
                time.sleep(2e-5)
            return int(_contents(schedstat).split()[0]) / 1e9
        except (OSError, IndexError, ValueError):  # it is just ending, or no such statistics
            return None

    def close(self) -> None:
        for file in self._files:
            if file >= 0:
                os.close(file)

    def _status(self, stat: str) -> tuple[float, int]:
        """Processor seconds and threads (proc_pid_stat(5))."""
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / self._tick, int(fields[17])

    def _private_bytes(self, statm: str) -> int:
        """Resident bytes that no file backs (proc_pid_statm(5))."""
        fields = statm.split()
        return (int(fields[1]) - int(fields[2])) * self._page


_STATISTICS = ("stat", "statm", "schedstat")


def _contents(file: int) -> str:
    """Empty for a file that this kernel does not have."""
    return os.pread(file, 1024, 0).decode() if file >= 0 else ""


def _waited(schedstat: str) -> float:
    """Seconds ready to run, without a core (Documentation/scheduler/sched-stats.rst)."""
    return int(schedstat.split()[1]) / 1e9 if schedstat else 0.0


def _open_if_there(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _pid(pidfd: int) -> int:
    """The process's number as this process sees it, whatever namespace it lives in."""
    for line in Path("/proc/self/fdinfo", str(pidfd)).read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return -1


def _message(program: Program, kept: str) -> dict[str, Any]:
    return {
        "task": program.task,
        "order": dict(program.order),
        "confine": program.confine,
        "has_inputs": program.inputs is not None,
        "has_answers": program.answers is not None,
        "kept": kept,
        "limits": _kernel_limits(program),
    }


def _kernel_limits(program: Program) -> dict[str, Any]:
    limits = program.limits
    answers = 4 * math.prod(program.answers or (0,))
    inputs = program.inputs.stat().st_size if program.inputs is not None else 0
    return {
        name: getattr(limits, name)
        for name in ("cpu_seconds", "memory_bytes", "open_files", "disk_bytes", "disk_files")
    } | {
        "file_bytes": max(limits.file_bytes, answers + 4096),
        # Files of ours that it maps; what is in them is not its own memory.
        "mapped_bytes": inputs + answers,
    }
