"""Many submissions on this machine: a thread for each worker, and all saving in one place."""

from __future__ import annotations

import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from grader.batch import processes
from grader.batch.interrupts import Interrupts
from grader.batch.results import Outcome
from grader.batch.worker_pool import GRACE_SECONDS, Closed, SteadyWorker
from grader.grading import Examination
from grader.intake import Candidate
from grader.text.errors import Fault

_log = logging.getLogger(__name__)

WAKE_SECONDS = 0.5
"""Windows delivers Ctrl-C only between waits."""


class _Ended:
    """A thread of the pool came to its end."""


class _Interrupted:
    """Ctrl-C was pressed."""


_Event = Outcome | BaseException | _Ended | _Interrupted


def run(
    examination: Examination,
    submissions: Sequence[Candidate],
    *,
    jobs: int,
    on_grade: Callable[[Outcome], None],
    on_interrupt: Callable[[], None] = lambda: None,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Grade with `jobs` worker processes; `on_grade` is called here as each one finishes.

    On the first Ctrl-C or SIGTERM `on_interrupt` is called, nothing new starts, what is in
    flight finishes and goes to `on_grade`, and KeyboardInterrupt is raised; on the second it is
    raised at once. Whatever is raised, by `on_grade` too, no worker is left. Raises Fault when
    no worker starts.
    """
    if not submissions:
        return
    with processes.folder() as folder:
        file = write_examination(examination, folder)
        count = min(jobs, len(submissions))
        workers = [SteadyWorker(examination, file, folder, grace_seconds) for _ in range(count)]
        _Pool(submissions, workers).run(on_grade, on_interrupt)


def write_examination(examination: Examination, folder: Path) -> Path:
    """Where a worker can read it: an exam may be larger than what a pipe holds."""
    path = folder / "examination"
    path.write_bytes(pickle.dumps(examination))
    return path


class _Pool:
    def __init__(self, submissions: Sequence[Candidate], workers: Sequence[SteadyWorker]) -> None:
        self._waiting = deque(submissions)
        self._workers = workers
        self._stopping = False
        self._events: SimpleQueue[_Event] = SimpleQueue()  # its put() is safe in a signal handler
        self._failure: BaseException | None = None

    def run(self, on_grade: Callable[[Outcome], None], on_interrupt: Callable[[], None]) -> None:
        threads = [
            threading.Thread(target=self._work, args=(worker,), daemon=True)
            for worker in self._workers
        ]
        with Interrupts(self._interrupt) as interrupts:
            try:
                for thread in threads:
                    thread.start()
                self._collect(on_grade, on_interrupt)
            finally:
                for worker in self._workers:
                    worker.kill()
                for thread in threads:
                    if thread.is_alive():
                        thread.join()
        if interrupts.count:
            raise KeyboardInterrupt
        if self._waiting and self._failure is not None:
            raise self._failure

    def _collect(
        self, on_grade: Callable[[Outcome], None], on_interrupt: Callable[[], None]
    ) -> None:
        at_work = len(self._workers)
        while at_work:
            try:
                event = self._events.get(timeout=WAKE_SECONDS)
            except Empty:
                continue
            if isinstance(event, Outcome):
                on_grade(event)
            elif isinstance(event, _Ended):
                at_work -= 1
            elif isinstance(event, _Interrupted):
                on_interrupt()
            else:
                raise event

    def _interrupt(self) -> None:
        self._stopping = True
        self._events.put(_Interrupted())

    def _work(self, worker: SteadyWorker) -> None:
        """Until nothing waits. A thread whose worker does not start leaves the rest to the
        others; when no thread is left, that is the batch's failure."""
        try:
            while not self._stopping and (candidate := self._next()) is not None:
                try:
                    self._events.put(worker.grade(candidate))
                except Fault as error:
                    self._waiting.appendleft(candidate)
                    self._failure = error
                    _log.warning("%s", error)
                    break
        except Closed:
            pass
        except BaseException as error:
            self._events.put(error)
        finally:
            worker.close()
            self._events.put(_Ended())

    def _next(self) -> Candidate | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None
