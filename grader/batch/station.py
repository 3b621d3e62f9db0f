"""The worker's side of a cluster: warm processes inside a Dask worker, and one task for them.

A Dask worker process is daemonic and runs many threads. Everything that a submission could
harm runs in the same worker processes as on one machine, one for each core it offers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from grader.batch import agreement, processes
from grader.batch.agreement import DataFile
from grader.batch.results import Outcome, outcome_from_json, outcome_to_json
from grader.batch.worker_pool import Closed, SteadyWorker
from grader.grading import Examination
from grader.intake import Candidate
from grader.lesson.grades import Measurement, Provenance, SubmissionId
from grader.text import Text
from grader.text.errors import Fault

if TYPE_CHECKING:
    from distributed import Worker

TOPIC = "grader-outcomes"
"""One for all batches: a scheduler keeps a thousand events of each topic, for ever."""
IDLE_SECONDS = 300.0
"""After this long without a task the batch is taken for dead and its processes end."""


@dataclass(frozen=True)
class Brief:
    """What all tasks of a batch have in common."""

    batch: str
    """Its own name, different from any other batch's."""
    lesson: str
    provenance: Provenance
    baseline: dict[str, Measurement]
    examination: bytes
    """Pickled by the coordinator; unpickled in the worker processes only."""
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Errand:
    """Submissions of one task, and what the coordinator sees in the first of them."""

    candidates: tuple[Candidate, ...]
    first: SubmissionId


class _Message(msgspec.Struct, frozen=True):
    """One outcome on its way to the coordinator, or why there is none."""

    batch: str
    outcome: bytes = b""
    """JSON, compressed: the scheduler keeps it for a while."""
    trouble: Text | None = None


def grade(brief: Brief, errand: Errand) -> None:
    """The Dask task: grade each submission, and send its outcome at once; or send the reason
    why nothing can be graded here."""
    from distributed import get_worker

    dask_worker = get_worker()
    with _stations(dask_worker).at(brief) as station:
        trouble = station.trouble or agreement.unseen(
            errand.candidates[0], errand.first, brief.lesson
        )
        if trouble is None:
            trouble = _grade_each(station, errand, dask_worker)
    if trouble is not None:
        _send(dask_worker, _Message(brief.batch, trouble=trouble))


async def stop(batch: str, dask_worker: Worker) -> None:
    """Let tasks of `batch` end after the submission they are at."""
    await asyncio.to_thread(_stations(dask_worker).stop, batch)


async def close(batch: str, dask_worker: Worker) -> None:
    """End the worker processes of `batch` at once."""
    await asyncio.to_thread(_stations(dask_worker).close, batch)


def unpack(raw: bytes, batch: str) -> Outcome | None:
    """The outcome; None when the event is another batch's. Raises Fault when it says that
    nothing can be graded."""
    message = msgspec.json.decode(raw, type=_Message)
    if message.batch != batch:
        return None
    if message.trouble is not None:
        raise Fault(message.trouble)
    return outcome_from_json(zlib.decompress(message.outcome))


class Station:
    """The warm workers of one batch in one Dask worker process."""

    def __init__(self, brief: Brief, *, stopping: bool) -> None:
        self.batch = brief.batch
        self.trouble = agreement.disagreement(brief.lesson, brief.provenance, brief.files)
        self.stopping = stopping
        """Set when tasks should end after the submission they are at."""
        self._examination = Examination(
            brief.lesson, _Exam(brief.provenance.data, brief.baseline), brief.provenance
        )
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(processes.folder())
        self._file = self._folder / "examination"
        self._file.write_bytes(brief.examination)
        self._workers: list[SteadyWorker] = []
        self._idle: list[SteadyWorker] = []

    @contextmanager
    def worker(self) -> Iterator[SteadyWorker]:
        """One that nobody else uses meanwhile."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = SteadyWorker(self._examination, self._file, self._folder)
            self._workers.append(worker)
        try:
            yield worker
        finally:
            self._idle.append(worker)

    def kill(self) -> None:
        """End what is being graded; tasks return."""
        self.stopping = True
        for worker in list(self._workers):
            worker.kill()

    def close(self) -> None:
        """End all processes, when no task uses them; nothing of them stays on disk."""
        for worker in self._workers:
            worker.close()
        self._stack.close()


class Stations:
    """What one Dask worker process keeps: a station for each batch that it works for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Station] = {}
        self._tasks: Counter[str] = Counter()
        self._timers: dict[str, threading.Timer] = {}
        self._stopped: set[str] = set()

    @contextmanager
    def at(self, brief: Brief) -> Iterator[Station]:
        """The batch's station, made when there is none, and kept warm for a while after."""
        batch = brief.batch
        with self._lock:
            if batch not in self._open:
                self._open[batch] = Station(brief, stopping=batch in self._stopped)
            station = self._open[batch]
            self._tasks[batch] += 1
            self._cancel_timer(batch)
        try:
            yield station
        finally:
            with self._lock:
                self._tasks[batch] -= 1
                if not self._tasks[batch]:
                    self._left(station)

    def stop(self, batch: str) -> None:
        """Let tasks of the batch, those to come too, end after the submission they are at."""
        with self._lock:
            self._stopped.add(batch)
            if batch in self._open:
                self._open[batch].stopping = True

    def close(self, batch: str) -> None:
        """End the batch's processes; a task that is under way ends early, and cleans up."""
        with self._lock:
            self._cancel_timer(batch)
            station = self._open.pop(batch, None)
            if station is None:
                return
            station.kill()
            if not self._tasks[batch]:
                station.close()

    def _left(self, station: Station) -> None:
        """The last task is over. Called with the lock held."""
        if self._open.get(station.batch) is not station:
            station.close()
            return
        timer = threading.Timer(IDLE_SECONDS, self._close_idle, [station.batch])
        timer.daemon = True
        self._timers[station.batch] = timer
        timer.start()

    def _close_idle(self, batch: str) -> None:
        if not self._tasks[batch]:
            self.close(batch)

    def _cancel_timer(self, batch: str) -> None:
        timer = self._timers.pop(batch, None)
        if timer is not None:
            timer.cancel()


@dataclass(frozen=True)
class _Exam:
    """What a grade needs to know of the exam when there is nothing else to say."""

    data_id: str
    baseline: dict[str, Measurement]


def _stations(dask_worker: Worker) -> Stations:
    stations: Stations = vars(dask_worker).setdefault("grader_stations", Stations())
    return stations


def _grade_each(station: Station, errand: Errand, dask_worker: Worker) -> Text | None:
    with station.worker() as worker, contextlib.suppress(Closed):
        for candidate in errand.candidates:
            if station.stopping:
                break
            try:
                outcome = worker.grade(candidate)
            except Fault as error:
                return _at_host(error.text)
            raw = zlib.compress(outcome_to_json(outcome))
            _send(dask_worker, _Message(station.batch, outcome=raw))
    return None


def _send(dask_worker: Worker, message: _Message) -> None:
    """As an event, which goes to everyone who listens to the topic."""
    dask_worker.log_event(TOPIC, msgspec.json.encode(message))


def _at_host(text: Text) -> Text:
    host = socket.gethostname()
    return Text(en=f"On {host}: {text.en}", ru=f"На {host}: {text.ru}")
