"""Many submissions on many machines: the same workers, inside the processes of a Dask cluster.

    with connect_dask("tls://host:8786", ca=..., cert=..., key=...) as cluster:   # cluster.py
    with start_slurm(SlurmOptions(jobs=8, ...), out / "slurm") as cluster:         # slurm.py
        run_on_cluster(examination, candidates, cluster, on_grade=keep, on_interrupt=say)

`run_on_cluster` means what `pool.run` means: `on_grade` is called here, in the main thread, for
each submission as it finishes; Ctrl-C lets what is in flight finish and raises KeyboardInterrupt.

A task is 10 to 50 submissions. Each outcome travels back at once as an event, so that a lost
worker costs the submission that it was at; Dask runs the lost task again elsewhere. A task that
keeps losing its workers is taken apart, and the submission that ends them is named.
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
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from grader import grading
from grader.batch import agreement, station
from grader.batch.interrupts import Interrupts
from grader.batch.results import Outcome
from grader.grading import Examination
from grader.intake import Candidate
from grader.lesson.grades import Status
from grader.sandbox.isolation.process import Stopped
from grader.text import Text
from grader.text.errors import Fault, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

SMALLEST_TASK, LARGEST_TASK = 10, 50
WAKE_SECONDS = 0.5
TEND_SECONDS = 5.0
"""How often the cluster is looked after."""
CONNECT_SECONDS = 20.0
NO_WORKER_SECONDS = 60.0
"""A nanny needs a few to start a worker again, and a person a moment to start the first."""
TRIES = 3
"""How often a submission is sent again when its task was dropped without a result."""


class Cluster:
    """A connection to a cluster whose scheduler someone else keeps alive."""

    def __init__(self, client: Client, *, cores: int = 0) -> None:
        self.client = client
        self.cores = cores
        """Cores to come; 0 when those that are there are all."""
        self._with_workers = time.monotonic()

    def tend(self, workers: int, graded: int) -> None:
        """Called every few seconds with how many workers there are and how many submissions
        they have graded. Raises Fault when there is nothing left to wait for."""
        if workers:
            self._with_workers = time.monotonic()
        elif time.monotonic() - self._with_workers > NO_WORKER_SECONDS:
            raise Fault(_no_workers())


@contextmanager
def connect_dask(
    address: str,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
) -> Iterator[Cluster]:
    """A running cluster, over TLS; what is not given comes from Dask's own configuration
    (`distributed.comm.tls`). Raises UsageError when there is no safe or no working connection."""
    _require_safe(address)
    distributed = import_distributed("--dask")
    try:
        client = distributed.Client(
            address,
            security=_security(distributed, address, ca, cert, key),
            timeout=CONNECT_SECONDS,
            set_as_default=False,
        )
    except (OSError, ValueError) as error:
        raise UsageError(_no_scheduler(address, error)) from error
    with client:
        yield Cluster(client)


def import_distributed(option: str) -> Any:
    """The package, imported now and not before. Raises UsageError when it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise UsageError(missing_package(option, error)) from error
    # Lost workers are part of the work, and what matters of them is said in our own words.
    for name in list(logging.Logger.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed


def missing_package(option: str, error: ImportError) -> Text:
    """What to install for `option`."""
    return Text(
        en=f"{option} needs packages that are not installed ({error.name}); run "
        "`pip install 'small-fast-nets[cluster]'` here and on every machine of the cluster.",
        ru=f"Для {option} не хватает пакетов ({error.name}); выполните "
        "`pip install 'small-fast-nets[cluster]'` здесь и на каждой машине кластера.",
    )


def run_on_cluster(
    examination: Examination,
    candidates: Sequence[Candidate],
    cluster: Cluster,
    *,
    on_grade: Callable[[Outcome], None],
    per_task: int | None = None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> None:
    """Grade on `cluster`; `on_grade` is called here as each submission finishes.

    `per_task` submissions go to a core at once; chosen when not given. On the first Ctrl-C or
    SIGTERM `on_interrupt` is called, nothing new starts, what is in flight finishes and goes to
    `on_grade`, and KeyboardInterrupt is raised; on the second it is raised at once. Raises Fault
    when a worker would grade differently or does not see the files, or when none is left.
    """
    if candidates:
        _Coordinator(examination, candidates, cluster, per_task).run(on_grade, on_interrupt)


def task_size(waiting: int, cores: int) -> int:
    """Submissions for the next task: 10 to 50, half a core's share of what waits; fewer towards
    the end, so that no core is idle while another has many left."""
    share = min(max(math.ceil(waiting / (2 * cores)), SMALLEST_TASK), LARGEST_TASK)
    return min(share, math.ceil(waiting / cores))


@dataclass(frozen=True)
class _Task:
    future: Future
    candidates: tuple[Candidate, ...]
    alone: bool
    """Nothing else was running: when its workers die, it was this submission."""


@dataclass(frozen=True)
class _Ended:
    key: str


class _Interrupted:
    """Ctrl-C was pressed."""


class _Coordinator:
    def __init__(
        self,
        examination: Examination,
        candidates: Sequence[Candidate],
        cluster: Cluster,
        per_task: int | None,
    ) -> None:
        self._examination = examination
        self._cluster, self._client = cluster, cluster.client
        self._per_task = per_task
        self._batch = uuid.uuid4().hex
        self._brief = station.Brief(
            batch=self._batch,
            lesson=examination.lesson,
            provenance=examination.provenance,
            baseline=examination.exam.baseline,
            examination=pickle.dumps(examination),
            files=agreement.data_files(examination),
        )
        # Workers run in other folders.
        self._waiting = deque(Candidate(each.name, each.path.absolute()) for each in candidates)
        self._suspects: deque[Candidate] = deque()
        self._missing = {candidate.name for candidate in candidates}
        self._graded = 0
        self._tries: Counter[str] = Counter()
        self._tasks: dict[str, _Task] = {}
        self._sent = 0
        self._stopping = False
        self._tended = time.monotonic()
        # Its put() is safe in a signal handler and in the client's own threads.
        self._events: SimpleQueue[bytes | _Ended | _Interrupted] = SimpleQueue()

    def run(self, on_grade: Callable[[Outcome], None], on_interrupt: Callable[[], None]) -> None:
        with Interrupts(self._interrupt) as interrupts:
            self._client.subscribe_topic(station.TOPIC, lambda event: self._events.put(event[1]))
            try:
                while self._tasks or (self._missing and not self._stopping):
                    self._send()
                    self._receive(on_grade, on_interrupt)
            finally:
                self._leave()
        if interrupts.count:
            raise KeyboardInterrupt

    def _interrupt(self) -> None:
        self._stopping = True
        self._events.put(_Interrupted())

    def _leave(self) -> None:
        """Nothing of this batch stays on the cluster, as far as it can be reached."""
        with suppress(Exception):
            self._client.unsubscribe_topic(station.TOPIC)
            self._client.cancel([task.future for task in self._tasks.values()], force=True)
            self._client.run(station.close, self._batch, on_error="ignore")

    # Sending --------------------------------------------------------------------------------

    def _send(self) -> None:
        """As many tasks as there are cores: what has not started is not on the cluster yet."""
        if self._stopping or not (self._waiting or self._suspects):
            return
        if self._suspects:
            if not self._tasks:
                self._submit((self._suspects.popleft(),), alone=True)
            return
        cores = sum(self._threads().values())
        while self._waiting and len(self._tasks) < cores:
            size = self._per_task or task_size(len(self._waiting), max(cores, self._cluster.cores))
            count = min(size, len(self._waiting))
            self._submit(tuple(self._waiting.popleft() for _ in range(count)), alone=False)

    def _submit(self, candidates: tuple[Candidate, ...], *, alone: bool) -> None:
        self._sent += 1
        key = f"grader-{self._batch}-{self._sent}"
        first = agreement.identity(candidates[0], self._brief.lesson)
        errand = station.Errand(candidates, first)
        future = self._ask(
            self._client.submit, station.grade, self._brief, errand, key=key, pure=False
        )
        self._tasks[key] = _Task(future, candidates, alone)
        future.add_done_callback(lambda _: self._events.put(_Ended(key)))

    def _threads(self) -> dict[str, int]:
        """Cores of each worker."""
        return dict(self._ask(self._client.nthreads))

    def _ask(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a method of the client returns; it raises whatever it likes when it is cut off."""
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise Fault(_connection_lost()) from error

    # Receiving ------------------------------------------------------------------------------

    def _receive(
        self, on_grade: Callable[[Outcome], None], on_interrupt: Callable[[], None]
    ) -> None:
        if time.monotonic() - self._tended > TEND_SECONDS:
            self._cluster.tend(len(self._threads()), self._graded)
            self._tended = time.monotonic()
        try:
            event = self._events.get(timeout=WAKE_SECONDS)
        except Empty:
            return
        if isinstance(event, bytes):
            outcome = station.unpack(event, self._batch)
            if outcome is not None:
                self._deliver(outcome, on_grade)
        elif isinstance(event, _Ended):
            self._end(self._tasks.pop(event.key), on_grade)
        else:
            on_interrupt()
            self._ask(self._client.run, station.stop, self._batch, on_error="ignore")

    def _deliver(self, outcome: Outcome, on_grade: Callable[[Outcome], None]) -> None:
        """Once for each submission: a task that was run again sends some a second time."""
        name = outcome.grade.submission.name
        if name in self._missing:
            on_grade(outcome)
            self._missing.remove(name)
            self._graded += 1

    def _end(self, task: _Task, on_grade: Callable[[Outcome], None]) -> None:
        from distributed import KilledWorker

        left = [each for each in task.candidates if each.name in self._missing]
        error = self._failure(task.future)
        if error is None:
            self._again(left)
        elif not isinstance(error, KilledWorker):
            raise Fault(_not_runnable(error)) from error
        elif task.alone:
            for candidate in left:
                self._deliver(self._named(candidate, error.allowed_failures + 1), on_grade)
            # The others only shared a task or a machine with it.
            self._waiting.extendleft(reversed(self._suspects))
            self._suspects.clear()
        elif left:
            # They are graded in order: the first without an outcome is the likeliest.
            self._suspects.appendleft(left[0])
            self._suspects.extend(left[1:])

    def _failure(self, future: Future) -> BaseException | None:
        """The error that a task ended with."""
        if future.status == "error":
            error: BaseException = self._ask(future.exception)
            return error
        if future.status != "finished" and self._client.status != "running":
            raise Fault(_connection_lost())
        return None

    def _again(self, candidates: list[Candidate]) -> None:
        """What a task left undone: it was told to stop, or it was cancelled."""
        self._tries.update(candidate.name for candidate in candidates)
        if any(self._tries[candidate.name] >= TRIES for candidate in candidates):
            raise Fault(_dropped())
        self._waiting.extendleft(reversed(candidates))

    def _named(self, candidate: Candidate, kills: int) -> Outcome:
        ended = Stopped(Status.CRASHED, _kills(kills))
        identity = agreement.identity(candidate, self._brief.lesson)
        return Outcome(
            grading.ungraded(self._examination, identity, ended, started=time.monotonic())
        )


# Connecting ---------------------------------------------------------------------------------


def _require_safe(address: str) -> None:
    """Whoever reaches a scheduler runs code as its user: only TLS, or this machine alone."""
    parts = urlsplit(address)
    try:
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if parts.scheme not in ("tls", "tcp") or not complete:
        raise UsageError(
            Text(
                en=f"--dask {address} is no address of a Dask scheduler; expected tls://HOST:PORT.",
                ru=f"--dask {address} — не адрес планировщика Dask; ожидалось tls://HOST:PORT.",
            )
        )
    if parts.scheme == "tcp" and not _is_loopback(str(parts.hostname)):
        raise UsageError(
            Text(
                en=f"--dask {address} is not encrypted, and anyone in its network could read "
                "submissions and run code on the cluster; start the scheduler with TLS and give "
                "tls://HOST:PORT (docs/cluster.md shows how).",
                ru=f"Соединение --dask {address} не зашифровано: любой в сети сможет прочесть "
                "работы и выполнить код на кластере; запустите планировщик с TLS и укажите "
                "tls://HOST:PORT (как — см. docs/cluster.md).",
            )
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _security(
    distributed: Any, address: str, ca: Path | None, cert: Path | None, key: Path | None
) -> Any:
    if not address.startswith("tls:"):
        return None
    given = {"tls_ca_file": ca, "tls_client_cert": cert, "tls_client_key": key}
    for option, path in zip(("--tls-ca", "--tls-cert", "--tls-key"), given.values(), strict=True):
        if path is not None and not path.is_file():
            raise UsageError(
                Text(
                    en=f"{option} {path} is not a file; give a file in PEM format.",
                    ru=f"{option} {path} — не файл; укажите файл в формате PEM.",
                )
            )
    security = distributed.Security(
        require_encryption=True,
        **{name: str(path) for name, path in given.items() if path is not None},
    )
    if not (security.tls_ca_file and security.tls_client_cert):
        raise UsageError(
            Text(
                en="A tls:// address needs certificates; give --tls-ca, --tls-cert and --tls-key, "
                "or set distributed.comm.tls in Dask's configuration.",
                ru="Для адреса tls:// нужны сертификаты; укажите --tls-ca, --tls-cert и --tls-key "
                "или задайте distributed.comm.tls в настройках Dask.",
            )
        )
    return security


# Sentences ----------------------------------------------------------------------------------


def _no_scheduler(address: str, error: Exception) -> Text:
    why = str(error).strip().splitlines()[-1][:200] if str(error).strip() else type(error).__name__
    return Text(
        en=f"No Dask scheduler answers at {address} ({why}); check that it runs there and that "
        "both sides' certificates come from the same authority.",
        ru=f"Планировщик Dask по адресу {address} не отвечает ({why}); проверьте, что он запущен "
        "и что сертификаты обеих сторон выданы одним центром.",
    )


def _no_workers() -> Text:
    return Text(
        en="No worker is connected to the Dask scheduler; what was finished is kept. Start "
        "workers with `dask worker`, then run the same command again.",
        ru="К планировщику Dask не подключён ни один рабочий процесс; готовые оценки сохранены. "
        "Запустите `dask worker`, а затем ту же команду.",
    )


def _connection_lost() -> Text:
    return Text(
        en="The connection to the Dask scheduler was lost; what was finished is kept. Start it "
        "again, then run the same command again.",
        ru="Потеряно соединение с планировщиком Dask; готовые оценки сохранены. Запустите его "
        "снова, а затем ту же команду.",
    )


def _not_runnable(error: BaseException) -> Text:
    why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return Text(
        en=f"The cluster's workers cannot run the grader ({why}); install the same version of it "
        "on every machine, look into the workers' logs, and start them again.",
        ru=f"Рабочие процессы кластера не могут запустить грейдер ({why}); установите на каждой "
        "машине ту же версию, посмотрите журналы рабочих процессов и перезапустите их.",
    )


def _dropped() -> Text:
    return Text(
        en=f"The cluster dropped the same task {TRIES} times without a result; what was finished "
        "is kept. Look into the scheduler's log, then run the same command again.",
        ru=f"Кластер {TRIES} раза потерял одну и ту же задачу без результата; готовые оценки "
        "сохранены. Посмотрите журнал планировщика, а затем повторите команду.",
    )


def _kills(count: int) -> Text:
    return Text(
        en=f"Reading the submission, by itself, ended {count} processes of the cluster one after "
        "another; export the model again and check it with `grader check`.",
        ru=f"Чтение одной этой работы завершило подряд {count} процессов кластера; экспортируйте "
        "модель заново и проверьте её командой `grader check`.",
    )
