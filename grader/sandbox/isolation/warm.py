"""The trusted side of warm processes and of the children forked from them (Linux).

`zygote` is the program that a warm process runs.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
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
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from grader.sandbox.isolation.launch import BUBBLEWRAP_PLACE, bubblewrapped, environment, python
from grader.sandbox.isolation.process import Child, Ended, Killed, Program, not_here
from grader.sandbox.isolation.task import READY
from grader.sandbox.isolation.watch import LOG_FACTOR, TICK_SECONDS, LinuxUsage
from grader.text import untrusted
from grader.text.errors import Fault

START_SECONDS = 120.0
PLACE_BYTES = 512 * 2**20
_MESSAGE_BYTES = 64 * 1024
_FIXED_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_SEALED = _FIXED_SIZE | fcntl.F_SEAL_WRITE
"""Seals of memory that can never be changed again."""


def start(program: Program, level: str) -> Child:
    """A child of the warm process for `program.libraries`, which is started if need be. Raises
    Fault when it does not start."""
    key = (program.libraries, level)
    zygote = _zygotes.get(key)
    if zygote is None or not zygote.alive:
        zygote = _zygotes[key] = Zygote(program.libraries, level)
    return zygote.fork(program)


def close_all() -> None:
    """End every warm process that this process has started."""
    while _zygotes:
        _zygotes.popitem()[1].close()


_zygotes: dict[tuple[tuple[str, ...], str], Zygote] = {}
"""Warm processes by their libraries and level; one submission at a time uses one."""
atexit.register(close_all)


class Zygote:
    """A warm process: it has imported libraries, and forks a child for each submission."""

    def __init__(self, libraries: tuple[str, ...], level: str) -> None:
        self._kept = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        # At level A, bubblewrap provides a folder in memory.
        self._places = None if level == "A" else TemporaryDirectory(prefix="grader-places-")
        place = BUBBLEWRAP_PLACE if self._places is None else self._places.name
        variables = environment() | {"GRADER_PLACE": place, "TMPDIR": place}
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*python(), "-m", "grader.sandbox.isolation.zygote"]
        command += [str(theirs.fileno()), ",".join(libraries), level]
        if level == "A":  # a child could read the environment of bubblewrap itself
            command, variables = bubblewrapped(command, variables, PLACE_BYTES), {}
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=variables,
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
            return WarmChild(self, program, self._keep(program))
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

    def _keep(self, program: Program) -> str:
        """Have the warm process load the trusted bytes of a program, unless it holds them already;
        the name under which it does."""
        if program.kept is None:
            return ""
        digest = hashlib.sha256(program.kept).hexdigest()
        if digest != self._kept:
            descriptor = _memory(program.kept, _SEALED)
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
            "The warm process of the sandbox ended ({said}); `grader doctor` says what is missing.",
            said=said[:300],
        )


class WarmChild:
    """One forked child: its connection, its log, and the limits enforced from outside."""

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
        self._usage = LinuxUsage(self._pidfd, program.limits)
        self._poll = select.poll()
        for descriptor in (self._socket.fileno(), self._log_end, self._pidfd):
            self._poll.register(descriptor, select.POLLIN)
        try:
            self.receive(len(READY))
        except BrokenPipeError as error:  # before anything of the submission was run
            ended = self.finish()
            self.close()
            raise Fault(not_here(ended.log)) from error

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
        return self._usage.core_seconds()

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
            log=self.log,
            cpu_seconds=message["cpu_seconds"],
        )
        return self._end

    def answers(self) -> bytes:
        with os.fdopen(self._answers, "rb", closefd=False) as file:
            file.seek(0)
            return file.read()

    def close(self) -> None:
        if self._end is None:
            self._kill(None)
            with contextlib.suppress(Fault, OSError):
                self.finish()
        self._socket.close()
        self._usage.close()
        for descriptor in (self._log_end, self._pidfd, self._answers):
            if descriptor >= 0:
                os.close(descriptor)

    @property
    def log(self) -> str:
        return untrusted.log(bytes(self._log))

    def _memories(self, program: Program) -> list[int]:
        """Descriptors in the order that a child expects: inputs, answers, blobs."""
        found = []
        if program.inputs is not None:
            found.append(os.open(program.inputs, os.O_RDONLY | os.O_CLOEXEC))
        if program.answers is not None:
            nothing = np.full(program.answers, np.nan, dtype="<f4").tobytes()
            self._answers = _memory(nothing, _FIXED_SIZE)
            found.append(self._answers)
        return [*found, *(_memory(blob, _SEALED) for blob in program.blobs)]

    def _step(self) -> None:
        """Wait for an event, at most TICK_SECONDS, and enforce the limits."""
        ready = {descriptor for descriptor, _ in self._poll.poll(1000 * TICK_SECONDS)}
        if self._log_end in ready:
            self._read_log()
        if self._pidfd in ready:
            self._ended = True
            return
        reason = self._usage.exceeded(time.monotonic())
        if reason is not None:
            self._kill(reason)

    def _read_log(self) -> None:
        """Keep the start of what was printed, and kill a child that prints far too much."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._log_end, 65536):
                self._logged += len(block)
                self._log += block[: max(0, self._limits.log_bytes - len(self._log))]
                if self._logged > LOG_FACTOR * self._limits.log_bytes:
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


def _message(program: Program, kept: str) -> dict[str, Any]:
    limits = program.limits
    answers = 4 * math.prod(program.answers or (0,))
    inputs = program.inputs.stat().st_size if program.inputs is not None else 0
    names = ("cpu_seconds", "memory_bytes", "open_files", "disk_bytes", "disk_files")
    return {
        "task": program.task,
        "order": dict(program.order),
        "confine": program.confine,
        "has_inputs": program.inputs is not None,
        "has_answers": program.answers is not None,
        "kept": kept,
        "limits": {name: getattr(limits, name) for name in names}
        | {
            "file_bytes": max(limits.file_bytes, answers + 4096),
            # Trusted files that it maps, which do not count as its own memory.
            "mapped_bytes": inputs + answers,
        },
    }


def _memory(data: bytes, seals: int) -> int:
    """A descriptor of memory that holds `data`."""
    descriptor = os.memfd_create("grader", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor
