"""Grade many submissions on many machines: the same workers, inside a Dask cluster.

    with connect_dask("tls://host:8786", ca=..., cert=..., key=...) as cluster:   # cluster.py
    with start_slurm(SlurmOptions(jobs=8, ...), out / "slurm") as cluster:         # slurm.py
        run_on_cluster(examination, candidates, cluster, on_grade=keep, on_interrupt=say)

A task is 10 to 50 submissions. Each outcome is sent back at once as an event, so a lost worker
costs only the submission that it was grading; Dask runs the lost task again elsewhere. When a task
keeps losing its workers, its submissions are graded one by one, and the one that ends the workers
gets the status `crashed`.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import pickle
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from grader import grading
from grader.batch import worker_host
from grader.batch.processes import MainLoop
from grader.grading import Examination, Outcome
from grader.intake import Candidate
from grader.lesson.grades import Status
from grader.sandbox.isolation.process import Stopped
from grader.text import Text
from grader.text.errors import Fault, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

SMALLEST_TASK, LARGEST_TASK = 10, 50
CHECK_SECONDS = 5.0
"""Time between two calls of `Cluster.check`."""
CONNECT_SECONDS = 20.0
NO_WORKER_SECONDS = 60.0
"""Enough for a nanny to restart a worker, and for a person to start the first."""
TRIES = 3
"""Times that a submission is sent again when its task was dropped without a result."""


class Cluster:
    """A connection to a cluster whose scheduler is started and ended elsewhere."""

    def __init__(self, client: Client, *, cores: int = 0) -> None:
        self.client = client
        self.cores = cores
        """Expected cores; 0 when no more are expected than are connected."""
        self._workers_seen = time.monotonic()

    def check(self, workers: int, graded: int) -> None:
        """Called every few seconds with the numbers of connected workers and of submissions
        graded so far. Raises Fault when there is nothing left to wait for."""
        if workers:
            self._workers_seen = time.monotonic()
        elif time.monotonic() - self._workers_seen > NO_WORKER_SECONDS:
            raise Fault(
                "No worker is connected to the Dask scheduler; what was finished is kept. Start "
                "workers with `dask worker`, then run the same command again."
            )


@contextmanager
def connect_dask(
    address: str, *, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Iterator[Cluster]:
    """A running cluster, over TLS; what is not given comes from Dask's own configuration
    (`distributed.comm.tls`). Raises UsageError when there is no safe or no working connection."""
    _require_safe(address)
    distributed = import_distributed("--dask")
    security = _security(distributed, ca, cert, key) if address.startswith("tls:") else None
    try:
        client = distributed.Client(
            address, security=security, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        said = str(error).strip()
        why = said.splitlines()[-1][:200] if said else type(error).__name__
        raise UsageError(
            "No Dask scheduler answers at {address} ({why}); check that it runs there and that "
            "both sides' certificates come from the same authority.",
            address=address,
            why=why,
        ) from error
    with client:
        yield Cluster(client)


def import_distributed(option: str) -> Any:
    """The package `distributed`, imported on first use. Raises UsageError when it is missing."""
    try:
        import distributed
    except ImportError as error:
        raise UsageError(missing_package(option, error)) from error
    # Lost workers are expected, and the coordinator reports what matters.
    for name in list(logging.Logger.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed


def missing_package(option: str, error: ImportError) -> Text:
    """What to install for `option`."""
    return Text(
        "{option} needs packages that are not installed ({name}); run `pip install "
        "'small-fast-nets[cluster]'` here and on every machine of the cluster.",
        option=option,
        name=error.name,
    )


def run_on_cluster(
    examination: Examination,
    submissions: Sequence[Candidate],
    cluster: Cluster,
    *,
    on_grade: Callable[[Outcome], None],
    on_interrupt: Callable[[], None] = lambda: None,
) -> None:
    """Grade on `cluster`; callbacks and signals as in `worker_pool.run`. Raises Fault when a worker
    would grade differently or does not see the files, or when none is left."""
    if submissions:
        _Coordinator(examination, submissions, cluster, on_grade, on_interrupt).run()


def task_size(waiting: int, cores: int) -> int:
    """Submissions of the next task: half a core's share of those that wait, from 10 to 50; fewer
    towards the end, so that no core is idle while another has many left."""
    share = min(max(math.ceil(waiting / (2 * cores)), SMALLEST_TASK), LARGEST_TASK)
    return min(share, math.ceil(waiting / cores))


@dataclass(frozen=True)
class _Task:
    future: Future
    candidates: tuple[Candidate, ...]
    alone: bool
    """True when nothing else was running: if its workers die, this submission ended them."""


class _Coordinator:
    def __init__(
        self,
        examination: Examination,
        submissions: Sequence[Candidate],
        cluster: Cluster,
        on_grade: Callable[[Outcome], None],
        on_interrupt: Callable[[], None],
    ) -> None:
        self._examination = examination
        self._cluster, self._client = cluster, cluster.client
        self._on_grade, self._on_interrupt = on_grade, on_interrupt
        self._batch = uuid.uuid4().hex
        self._job = worker_host.BatchJob(
            batch=self._batch,
            lesson=examination.lesson,
            provenance=examination.provenance,
            baseline=examination.exam.baseline,
            examination=pickle.dumps(examination),
            files=worker_host.data_files(examination),
        )
        # Absolute, because workers run in other folders.
        self._waiting = deque(Candidate(one.name, one.path.absolute()) for one in submissions)
        self._suspects: deque[Candidate] = deque()
        """Submissions of a task that lost its workers, to be graded alone."""
        self._missing = {one.name for one in submissions}
        self._graded = 0
        self._tries: Counter[str] = Counter()
        self._tasks: dict[str, _Task] = {}
        self._sent = 0
        self._checked = time.monotonic()
        self._loop = MainLoop(self._stop)

    def run(self) -> None:
        with self._loop:
            self._client.subscribe_topic(
                worker_host.TOPIC, lambda event: self._loop.put(partial(self._receive, event[1]))
            )
            try:
                while self._tasks or (self._missing and not self._loop.interrupted):
                    self._send()
                    if time.monotonic() - self._checked > CHECK_SECONDS:
                        self._cluster.check(len(self._threads()), self._graded)
                        self._checked = time.monotonic()
                    self._loop.run_next()
            finally:
                with suppress(Exception):  # the cluster may be out of reach
                    self._client.unsubscribe_topic(worker_host.TOPIC)
                    futures = [task.future for task in self._tasks.values()]
                    self._client.cancel(futures, force=True)
                    self._client.run(worker_host.close, self._batch, on_error="ignore")

    def _stop(self) -> None:
        self._on_interrupt()
        self._ask(self._client.run, worker_host.stop, self._batch, on_error="ignore")

    def _send(self) -> None:
        """Submit as many tasks as there are cores; the rest waits here."""
        if self._loop.interrupted or not (self._waiting or self._suspects):
            return
        if self._suspects:
            if not self._tasks:
                self._submit((self._suspects.popleft(),), alone=True)
            return
        cores = sum(self._threads().values())
        while self._waiting and len(self._tasks) < cores:
            size = task_size(len(self._waiting), max(cores, self._cluster.cores))
            self._submit(tuple(self._waiting.popleft() for _ in range(size)), alone=False)

    def _submit(self, candidates: tuple[Candidate, ...], *, alone: bool) -> None:
        self._sent += 1
        key = f"grader-{self._batch}-{self._sent}"
        first = worker_host.identity(candidates[0], self._job.lesson)
        request = worker_host.TaskRequest(candidates, first)
        future = self._ask(
            self._client.submit, worker_host.grade, self._job, request, key=key, pure=False
        )
        self._tasks[key] = _Task(future, candidates, alone)
        future.add_done_callback(lambda _: self._loop.put(partial(self._end, key)))

    def _threads(self) -> dict[str, int]:
        """Cores of each worker."""
        return dict(self._ask(self._client.nthreads))

    def _ask(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a method of the client returns. Raises Fault instead of any of the exceptions that
        a lost connection causes."""
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise Fault(_connection_lost()) from error

    def _receive(self, event: bytes) -> None:
        outcome = worker_host.read_event(event, self._batch)
        # A task that ran again sends some outcomes twice.
        if outcome is not None and outcome.grade.submission.name in self._missing:
            self._deliver(outcome)

    def _deliver(self, outcome: Outcome) -> None:
        self._on_grade(outcome)
        self._missing.remove(outcome.grade.submission.name)
        self._graded += 1

    def _end(self, key: str) -> None:
        """Decide what happens to the submissions that an ended task has left ungraded."""
        from distributed import KilledWorker

        task = self._tasks.pop(key)
        left = [each for each in task.candidates if each.name in self._missing]
        error = self._ask(task.future.exception) if task.future.status == "error" else None
        if error is None:
            if task.future.status != "finished" and self._client.status != "running":
                raise Fault(_connection_lost())
            self._send_again(left)
        elif not isinstance(error, KilledWorker):
            why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            raise Fault(
                "The cluster's workers cannot run the grader ({why}); install the same version "
                "of it on every machine, look into the workers' logs, and start them again.",
                why=why,
            ) from error
        elif task.alone:
            kills = error.allowed_failures + 1
            reason = Text(
                "Reading the submission, by itself, ended {kills} processes of the cluster one "
                "after another; export the model again and check it with `grader check`.",
                kills=kills,
            )
            ended, now = Stopped(Status.CRASHED, reason), time.monotonic()
            for candidate in left:
                identity = worker_host.identity(candidate, self._job.lesson)
                grade = grading.ungraded(self._examination, identity, ended, started=now)
                self._deliver(Outcome(grade))
            # The others only shared a task or a machine with it.
            self._waiting.extendleft(reversed(self._suspects))
            self._suspects.clear()
        elif left:
            # They are graded in order, so the first without an outcome is the most likely cause.
            self._suspects.appendleft(left[0])
            self._suspects.extend(left[1:])

    def _send_again(self, candidates: list[Candidate]) -> None:
        """Requeue what a task that was stopped or cancelled has left."""
        self._tries.update(candidate.name for candidate in candidates)
        if any(self._tries[candidate.name] >= TRIES for candidate in candidates):
            raise Fault(
                "The cluster dropped the same task {tries} times without a result; what was "
                "finished is kept. Look into the scheduler's log, then run the same command "
                "again.",
                tries=TRIES,
            )
        self._waiting.extendleft(reversed(candidates))


# Connecting ---------------------------------------------------------------------------------


def _require_safe(address: str) -> None:
    """Raises UsageError unless `address` uses TLS or this machine: whoever reaches a scheduler can
    run code as its user."""
    parts = urlsplit(address)
    try:
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if parts.scheme not in ("tls", "tcp") or not complete:
        raise UsageError(
            "--dask {address} is no address of a Dask scheduler; expected tls://HOST:PORT.",
            address=address,
        )
    try:
        is_local = ipaddress.ip_address(str(parts.hostname)).is_loopback
    except ValueError:
        is_local = parts.hostname == "localhost"
    if parts.scheme == "tcp" and not is_local:
        raise UsageError(
            "--dask {address} is not encrypted, and anyone in its network could read submissions "
            "and run code on the cluster; start the scheduler with TLS and give tls://HOST:PORT "
            "(docs/cluster.md shows how).",
            address=address,
        )


def _security(distributed: Any, ca: Path | None, cert: Path | None, key: Path | None) -> Any:
    given = {"tls_ca_file": ca, "tls_client_cert": cert, "tls_client_key": key}
    for option, path in zip(("--tls-ca", "--tls-cert", "--tls-key"), given.values(), strict=True):
        if path is not None and not path.is_file():
            raise UsageError(
                "{option} {path} is not a file; give a file in PEM format.",
                option=option,
                path=path,
            )
    security = distributed.Security(
        require_encryption=True,
        **{name: str(path) for name, path in given.items() if path is not None},
    )
    if not (security.tls_ca_file and security.tls_client_cert):
        raise UsageError(
            "A tls:// address needs certificates; give --tls-ca, --tls-cert and --tls-key, or "
            "set distributed.comm.tls in Dask's configuration."
        )
    return security


def _connection_lost() -> Text:
    return Text(
        "The connection to the Dask scheduler was lost; what was finished is kept. Start it "
        "again, then run the same command again."
    )
