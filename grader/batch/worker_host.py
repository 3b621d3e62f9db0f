"""The worker's side of a cluster: the worker processes inside a Dask worker, and its tasks.

A Dask worker process is daemonic and runs many threads, so everything that a submission could
harm runs in the same worker processes as on one machine, one for each core that it offers.

A host grades nothing unless it has the same grader, lesson, libraries, isolation, data files and
submissions as the coordinator: grades must not depend on where they were made.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import pickle
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from grader import grading
from grader.batch import processes
from grader.batch.results import outcome_from_json, outcome_to_json
from grader.batch.worker_pool import START_SECONDS, PersistentWorker, WorkerKilled
from grader.grading import Examination, Outcome
from grader.intake import Candidate
from grader.lesson import loading
from grader.lesson.grades import Measurement, Provenance, SubmissionId
from grader.sandbox.isolation.launch import python
from grader.text import EMPTY, Text, from_json, to_json, verbatim
from grader.text.errors import Fault, GraderError, UsageError

if TYPE_CHECKING:
    from distributed import Worker

TOPIC = "grader-outcomes"
"""Dask's topic for the events of all batches: a scheduler keeps a thousand events of each topic."""
IDLE_SECONDS = 300.0
"""After this long without a task a batch is considered dead and its processes end."""


@dataclass(frozen=True)
class BatchJob:
    """What all tasks of a batch have in common."""

    batch: str
    """A unique name."""
    lesson: str
    provenance: Provenance
    baseline: dict[str, Measurement]
    examination: bytes
    """Pickled by the coordinator; unpickled in the worker processes only."""
    files: dict[Path, str]
    """sha256 of the data files that the examination refers to."""


@dataclass(frozen=True)
class TaskRequest:
    """Submissions of one task, and the identity of the first as the coordinator sees it."""

    candidates: tuple[Candidate, ...]
    first: SubmissionId


class _Message(msgspec.Struct, frozen=True):
    """An event for the coordinator: one outcome, or the reason why nothing can be graded."""

    batch: str
    outcome: bytes = b""
    """JSON, compressed because the scheduler keeps it for a while."""
    problem: Text | None = None


def grade(job: BatchJob, request: TaskRequest) -> None:
    """The Dask task: grade each submission and send its outcome at once, or send the reason why
    nothing can be graded here."""
    from distributed import get_worker

    dask_worker = get_worker()

    def send(message: _Message) -> None:
        dask_worker.log_event(TOPIC, to_json(message))

    with _hosts(dask_worker).task(job) as host:
        problem, first = host.problem, request.candidates[0]
        if problem is None and identity(first, job.lesson) != request.first:
            problem = _file_differs(first.path, os.path.lexists(first.path))
        if problem is None:
            problem = _grade_each(host, request.candidates, send)
    if problem is not None:
        send(_Message(job.batch, problem=problem))


async def stop(batch: str, dask_worker: Worker) -> None:
    """Let tasks of `batch` end after their current submission."""
    await asyncio.to_thread(_hosts(dask_worker).stop, batch)


async def close(batch: str, dask_worker: Worker) -> None:
    """End the worker processes of `batch` at once."""
    await asyncio.to_thread(_hosts(dask_worker).close, batch)


def read_event(raw: bytes, batch: str) -> Outcome | None:
    """The outcome in an event; None when it belongs to another batch. Raises Fault when the event
    says that nothing can be graded."""
    message = from_json(raw, _Message)
    if message.batch != batch:
        return None
    if message.problem is not None:
        raise Fault(message.problem)
    return outcome_from_json(zlib.decompress(message.outcome))


def data_files(examination: Examination) -> dict[Path, str]:
    """sha256 of the files whose paths the examination contains, wherever in it they are."""
    finder = _PathFinder(io.BytesIO())
    finder.dump(examination)
    files = sorted({path.absolute() for path in map(Path, finder.paths) if path.is_file()})
    return {path: _sha256(path) for path in files}


def identity(candidate: Candidate, lesson: str) -> SubmissionId:
    """Name and fingerprint as seen from here; without a fingerprint when it cannot be read."""
    try:
        return grading.identify(candidate.path, candidate.name, loading.load(lesson).spec)
    except (OSError, UsageError):  # it vanished just now
        return SubmissionId(candidate.name, "")


class WorkerHost:
    """The worker processes of one batch in one Dask worker process."""

    def __init__(self, job: BatchJob, *, stopping: bool) -> None:
        self.batch = job.batch
        self.problem = _host_problem(job)
        self.stopping = stopping
        """True when tasks should end after their current submission."""
        self.tasks = 0
        """Number of running tasks."""
        self.timer: threading.Timer | None = None
        """Closes the host when no further task comes."""
        self._examination = Examination(
            job.lesson, _Exam(job.provenance.data, job.baseline), job.provenance
        )
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(processes.folder())
        self._file = self._folder / "examination"
        self._file.write_bytes(job.examination)
        self._workers: list[PersistentWorker] = []
        self._idle: list[PersistentWorker] = []

    @contextmanager
    def worker(self) -> Iterator[PersistentWorker]:
        """A worker that no other task uses in the meantime."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = PersistentWorker(self._examination, self._file, self._folder)
            self._workers.append(worker)
        try:
            yield worker
        finally:
            self._idle.append(worker)

    def kill(self) -> None:
        """End all processes at once; tasks return."""
        self.stopping = True
        for worker in list(self._workers):
            worker.kill()

    def close(self) -> None:
        """End all processes when no task uses them, and remove their files."""
        for worker in self._workers:
            worker.close()
        self._stack.close()


class WorkerHosts:
    """The hosts in one Dask worker process: one for each batch that it works for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, WorkerHost] = {}
        self._stopped: set[str] = set()

    @contextmanager
    def task(self, job: BatchJob) -> Iterator[WorkerHost]:
        """The batch's host while a task runs. It is made for the first task, and kept for
        IDLE_SECONDS after the last."""
        with self._lock:
            if job.batch not in self._open:
                self._open[job.batch] = WorkerHost(job, stopping=job.batch in self._stopped)
            host = self._open[job.batch]
            host.tasks += 1
            if host.timer is not None:
                host.timer.cancel()
        try:
            yield host
        finally:
            with self._lock:
                host.tasks -= 1
                if not host.tasks and self._open.get(job.batch) is not host:
                    host.close()
                elif not host.tasks:
                    host.timer = threading.Timer(IDLE_SECONDS, self._close_idle, [host])
                    host.timer.daemon = True
                    host.timer.start()

    def stop(self, batch: str) -> None:
        """Let present and future tasks of the batch end after their current submission."""
        with self._lock:
            self._stopped.add(batch)
            if batch in self._open:
                self._open[batch].stopping = True

    def close(self, batch: str) -> None:
        """End the batch's processes; a running task ends early and removes their files."""
        with self._lock:
            host = self._open.pop(batch, None)
            if host is None:
                return
            if host.timer is not None:
                host.timer.cancel()
            host.kill()
            if not host.tasks:
                host.close()

    def _close_idle(self, host: WorkerHost) -> None:
        if not host.tasks:
            self.close(host.batch)


@dataclass(frozen=True)
class _Exam:
    """The part of an exam that a grade without measurements needs."""

    data_id: str
    baseline: dict[str, Measurement]


def _grade_each(
    host: WorkerHost, candidates: Sequence[Candidate], send: Callable[[_Message], None]
) -> Text | None:
    """Send an outcome for each submission; the problem when no process starts."""
    with host.worker() as worker, contextlib.suppress(WorkerKilled):
        for candidate in candidates:
            if host.stopping:
                break
            try:
                outcome = worker.grade(candidate)
            except Fault as error:
                return Text("On {host}: {why}", host=socket.gethostname(), why=error.text)
            send(_Message(host.batch, outcome=zlib.compress(outcome_to_json(outcome))))
    return None


def _hosts(dask_worker: Worker) -> WorkerHosts:
    hosts: WorkerHosts = vars(dask_worker).setdefault("grader_hosts", WorkerHosts())
    return hosts


# Agreement with the coordinator -------------------------------------------------------------


class _LocalProvenance(msgspec.Struct, frozen=True):
    """The provenance of a grade that is made on this machine, or why none can be."""

    provenance: Provenance | None = None
    problem: Text | None = None


def main() -> None:
    """`python -m grader.batch.worker_host LESSON DATA` prints a _LocalProvenance as JSON."""
    try:
        found = _LocalProvenance(grading.provenance(loading.load(sys.argv[1]), sys.argv[2]))
    except GraderError as error:
        found = _LocalProvenance(problem=error.text)
    sys.stdout.buffer.write(to_json(found))


def _host_problem(job: BatchJob) -> Text | None:
    """How this machine differs from the coordinator's; None when it does not."""
    # In a child process, as in grading: probing the isolation starts processes, which a Dask
    # worker with its many threads should not do.
    try:
        done = subprocess.run(
            [*python(), "-m", "grader.batch.worker_host", job.lesson, job.provenance.data],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise subprocess.SubprocessError((lines or [f"exit code {done.returncode}"])[-1])
        found = from_json(done.stdout, _LocalProvenance)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        return _differs(verbatim(error))
    if found.provenance is None:
        problem = found.problem or EMPTY
        return _differs(problem.mapped(lambda sentence: sentence.rstrip(".")))
    ours, theirs = _flat(job.provenance), _flat(found.provenance)
    differing = ", ".join(
        f"{name} {theirs[name][:20]} ≠ {value[:20]}"
        for name, value in ours.items()
        if theirs[name] != value
    )
    if differing:
        return _differs(verbatim(differing))
    for path, digest in job.files.items():
        if not path.is_file() or _sha256(path) != digest:
            return _file_differs(path, path.is_file())
    return None


class _PathFinder(pickle.Pickler):
    """A pickler that collects every path it meets."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.paths: list[PurePath] = []

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, PurePath):
            self.paths.append(value)
        return NotImplemented


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flat(provenance: Provenance) -> dict[str, str]:
    facts = msgspec.to_builtins(provenance)
    versions = facts.pop("versions")
    return facts | versions


def _differs(why: Text) -> Text:
    return Text(
        "The worker on {host} would grade differently (there ≠ here): {why}. Install the same "
        "grader, libraries and lessons there, and start its workers again.",
        host=socket.gethostname(),
        why=why,
    )


def _file_differs(path: Path, exists: bool) -> Text:
    host = socket.gethostname()
    if not exists:
        return Text(
            "The worker on {host} does not see {path}; put submissions and data on a disk that "
            "all machines share under the same path.",
            host=host,
            path=path,
        )
    return Text(
        "The worker on {host} sees other contents in {path} than this machine; put submissions "
        "and data on a disk that all machines share, and change nothing while a batch runs.",
        host=host,
        path=path,
    )


if __name__ == "__main__":
    main()
