"""A handle on one worker process: start it, ask it, see it die, leave nothing of it behind."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO

import msgspec

from grader.batch.processes import kill_descendants, resident_bytes, start
from grader.batch.results import Outcome, outcome_from_json
from grader.intake import Candidate
from grader.untrusted import log

START_SECONDS = 120.0
CLOSE_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 * 2**20
LOG_BYTES = 16 * 2**10


class WorkerDied(Exception):
    """The process ended without an answer; `code` is negative for a signal on POSIX."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"worker ended with code {code}")
        self.code = code
        self.log = log


class WorkerOverran(Exception):
    """No answer in time; the process was killed."""


class WorkerConfused(Exception):
    """What it answered is no outcome; the process was killed."""


class Worker:
    """One process that grades one submission after another.

    `examination` is a pickle that we wrote. Everything that the process puts on disk lies in a
    folder of its own below `folder`, and is removed when it is closed.
    """

    def __init__(self, lesson: str, examination: Path, folder: Path) -> None:
        self.graded = 0
        self.overran = False
        self._log = bytearray()
        self._place = Path(tempfile.mkdtemp(prefix="worker-", dir=folder))
        for name in ("work", "tmp"):
            (self._place / name).mkdir()
        try:
            self._process = start(
                ["grader.batch.worker", lesson, str(examination.absolute())],
                cwd=self._place / "work",
                extra={name: str(self._place / "tmp") for name in ("TMPDIR", "TEMP", "TMP")},
            )
        except BaseException:
            shutil.rmtree(self._place, ignore_errors=True)
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._drain = threading.Thread(
            target=self._keep_log, args=(self._process.stderr,), daemon=True
        )
        self._drain.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def memory_bytes(self) -> int:
        """Resident memory; 0 when it is gone or cannot be seen."""
        return resident_bytes(self.pid) if self.alive else 0

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Raises WorkerDied, WorkerOverran or WorkerConfused when it does not start."""
        if self._read(seconds) != b"":
            self.kill()
            raise WorkerConfused("expected an empty first answer")

    def grade(self, candidate: Candidate, wall_seconds: float) -> Outcome:
        """Ask for one grade. Raises WorkerDied, WorkerOverran or WorkerConfused; after any of
        them the process is dead."""
        request = {"path": str(candidate.path.absolute()), "name": candidate.name}
        with contextlib.suppress(OSError):  # it died; reading says how
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        raw = self._read(wall_seconds)
        try:
            outcome = outcome_from_json(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.kill()
            raise WorkerConfused(str(error)) from error
        if outcome.grade.submission.name != candidate.name:
            self.kill()
            raise WorkerConfused(f"expected {candidate.name!r}, got {outcome.grade.submission}")
        self.graded += 1
        return outcome

    def kill(self) -> None:
        """End it at once, with what it started. Any thread may call this."""
        if self.alive:  # else its number may be another's by now
            kill_descendants(self.pid)
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_SECONDS)

    def close(self) -> None:
        """Let it end, or end it; nothing of it stays on disk."""
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._drain.join(CLOSE_SECONDS)
        self._answers.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def _read(self, seconds: float) -> bytes:
        """The next answer. A timer kills the process, which ends the reading."""
        timer = threading.Timer(seconds, self._overrun)
        timer.daemon = True
        timer.start()
        try:
            header = self._answers.read(8)
            size = int.from_bytes(header, "big")
            if len(header) == 8 and size > MAX_ANSWER_BYTES:
                self.kill()
                raise WorkerConfused(f"an answer of {size} bytes")
            raw = self._answers.read(size)
        finally:
            timer.cancel()
        if len(header) == 8 and len(raw) == size:
            return raw
        raise self._end()

    def _end(self) -> Exception:
        """Why there is no answer."""
        try:
            code = self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives
            self.kill()
            code = self._process.wait()
        if self.overran:
            return WorkerOverran()
        self._drain.join(CLOSE_SECONDS)
        return WorkerDied(code, log(bytes(self._log)))

    def _overrun(self) -> None:
        self.overran = True
        self.kill()

    def _keep_log(self, stream: IO[bytes]) -> None:
        """The end of what it printed: the reason why it died, if it gave one."""
        while block := stream.read1(65536):  # type: ignore[attr-defined]
            self._log = (self._log + block)[-LOG_BYTES:]
        stream.close()
