"""Many submissions: a pool of processes, one JSON a grade, and reruns that do only the rest.

The pool outlives its workers: one that dies or overruns costs the submission it held.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, TimeoutError, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from pebble import ProcessExpired, ProcessPool

from grader import grading
from grader import lesson as lessons
from grader.errors import Fault
from grader.grades import Grade, Status, SubmissionId, from_json, to_json, write_atomically
from grader.grading import Examination
from grader.intake import Candidate
from grader.lesson import LessonSpec
from grader.sandbox.run import Stopped
from grader.text import Text

WORKER_GRACE_SECONDS = 60.0
"""Beyond the run's own limit: intake, counting, and a busy machine."""
MAX_STEM_BYTES = 180
_RESERVED = frozenset('%/\\:*?"<>|')
"""Not allowed in a file name somewhere; `%` because it marks the others."""
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(10))}
)
"""Names that Windows keeps for itself."""


@dataclass(frozen=True)
class Outcome:
    """One finished submission; `fault` is the traceback of a grader fault."""

    grade: Grade
    fault: str = ""


@dataclass
class Plan:
    """What a batch has to do and what an earlier run already did."""

    todo: list[Candidate] = field(default_factory=list)
    done: list[Grade] = field(default_factory=list)


def plan(examination: Examination, submissions: Iterable[Candidate], out: Path) -> Plan:
    """Split submissions into those to grade and those whose grade in `out` still holds."""
    spec = lessons.load(examination.lesson).spec
    result = Plan()
    for candidate in submissions:
        old = read_grade(grade_path(out, candidate.name))
        if old is not None and _holds(old, examination, candidate, spec):
            result.done.append(old)
        else:
            result.todo.append(candidate)
    return result


def run(
    examination: Examination,
    submissions: list[Candidate],
    *,
    jobs: int,
    on_grade: Callable[[Outcome], None],
) -> None:
    """Grade in `jobs` processes; `on_grade` is called here as each one finishes.

    On KeyboardInterrupt nothing new starts, what is in flight finishes and is kept, and the
    interrupt is raised again.
    """
    for outcome in _outcomes(examination, submissions, jobs):
        on_grade(outcome)


def save(outcome: Outcome, out: Path) -> None:
    """Write the grade, and for a fault of ours its traceback for the instructor."""
    path = grade_path(out, outcome.grade.submission.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    fault = out / "faults" / f"{path.stem}.txt"
    if outcome.fault:
        fault.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(fault, outcome.fault.encode("utf-8", "backslashreplace"))
    else:
        fault.unlink(missing_ok=True)
    write_atomically(path, to_json(outcome.grade))


def grade_path(out: Path, name: str) -> Path:
    """Where a submission's grade is kept; names stay readable and cannot leave the folder."""
    # `%` starts everything that is not in the name itself, and is escaped where it is: no two
    # names share a path.
    safe = "".join(
        char if char.isprintable() and char not in _RESERVED else quote(char, safe="")
        for char in name
    )
    if safe.startswith(".") or safe.partition(".")[0].upper() in _DEVICES:
        safe = f"%{safe}"
    if safe.rstrip(" .") != safe:
        safe = f"{safe}%"
    if len(safe.encode("utf-8", "replace")) > MAX_STEM_BYTES:
        digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
        safe = f"{safe[:40]}%-{digest[:32]}"
    return out / "grades" / f"{safe}.json"


def read_grade(path: Path) -> Grade | None:
    """The grade at `path`, or None when there is none that can be read."""
    try:
        return from_json(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _holds(old: Grade, examination: Examination, candidate: Candidate, spec: LessonSpec) -> bool:
    if old.status is Status.GRADER_FAULT or old.provenance != examination.provenance:
        return False
    identity = grading.identify(candidate.path, candidate.name, spec)
    return old.submission == identity


def _outcomes(
    examination: Examination, submissions: list[Candidate], jobs: int
) -> Iterator[Outcome]:
    spec = lessons.load(examination.lesson).spec
    limit = spec.limits.wall_seconds + WORKER_GRACE_SECONDS
    waiting = list(reversed(submissions))
    running: dict[Any, tuple[Candidate, float]] = {}
    retried: set[Candidate] = set()
    interrupted = False
    # Workers start in the folder we were called from, which may be a student's: without this,
    # the interpreter would take a `pickle.py` in it for its own.
    os.environ["PYTHONSAFEPATH"] = "1"
    with (
        tempfile.TemporaryDirectory(prefix="grader-batch-") as folder,
        ProcessPool(
            max_workers=min(jobs, max(1, len(submissions))),
            initializer=_start_worker,
            initargs=[examination.lesson, _written(examination, Path(folder))],
            context=get_context("spawn"),
        ) as pool,
    ):
        while waiting or running:
            try:
                while waiting and len(running) < jobs:
                    candidate = waiting.pop()
                    future: Any = pool.schedule(
                        _grade, args=[candidate.path, candidate.name], timeout=limit
                    )
                    running[future] = (candidate, time.monotonic())
                finished, _ = wait(running, 2 * limit, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                interrupted, waiting = True, []
                continue
            if not finished:
                pool.stop()
                raise Fault(_no_workers())
            for future in finished:
                candidate, started = running.pop(future)
                if isinstance(future.exception(), ProcessExpired) and candidate not in retried:
                    # Perhaps it was not the submission: a machine short of memory ends any worker.
                    retried.add(candidate)
                    waiting.append(candidate)
                else:
                    yield _collect(examination, future, candidate, started)
    if interrupted:
        raise KeyboardInterrupt


def _collect(
    examination: Examination,
    future: Any,
    candidate: Candidate,
    started: float,
) -> Outcome:
    try:
        return Outcome(*future.result())
    except TimeoutError:
        ended = Stopped(Status.TIMED_OUT, _overran())
    except ProcessExpired as error:
        ended = Stopped(Status.CRASHED, _died(error.exitcode))
    except Exception as error:
        ended = Stopped(Status.GRADER_FAULT, grading.fault_sentence(error))
        identity = _identity(examination, candidate)
        return Outcome(grading.ungraded(examination, identity, ended, started), repr(error))
    identity = _identity(examination, candidate)
    return Outcome(grading.ungraded(examination, identity, ended, started))


def _identity(examination: Examination, candidate: Candidate) -> SubmissionId:
    spec = lessons.load(examination.lesson).spec
    try:
        return grading.identify(candidate.path, candidate.name, spec)
    except OSError:
        return SubmissionId(candidate.name, "")


_here: list[Examination] = []
"""In a worker: the one examination that it grades by, sent once."""


def _grade(path: Path, name: str) -> tuple[Grade, str]:
    return grading.grade(_here[0], path, name)


def _written(examination: Examination, folder: Path) -> Path:
    """In a file: more than a pipe holds would block us on a worker that died while starting."""
    path = folder / "examination"
    path.write_bytes(pickle.dumps(examination))
    return path


def _start_worker(lesson: str, examination: Path) -> None:
    """Ctrl-C is for the main process, which lets workers finish. A hostile file that makes a
    parser ask for everything is stopped by the kernel where it can be."""
    _ = lessons.load(lesson).autograder  # the class of the exam lives in the lesson's module
    _here.append(pickle.loads(examination.read_bytes()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = 8 * 2**30
    if hard == resource.RLIM_INFINITY or hard > ceiling:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
        except (ValueError, OSError):  # macOS refuses; the run itself is watched from outside
            return


def _no_workers() -> Text:
    return Text(
        en="Worker processes do not start or do not answer; what was finished is kept. Run "
        "`grader doctor`, and the same command again.",
        ru="Рабочие процессы не запускаются или не отвечают; готовые оценки сохранены. Запустите "
        "`grader doctor`, а затем ту же команду.",
    )


def _overran() -> Text:
    return Text(
        en="Reading and measuring the submission took too long and was stopped; make the model "
        "smaller or simpler.",
        ru="Чтение и измерение работы заняли слишком много времени и были остановлены; уменьшите "
        "или упростите модель.",
    )


def _died(code: int) -> Text:
    return Text(
        en=f"The process that read the submission died (exit code {code}); export the model again "
        "and check it with `grader check`.",
        ru=f"Процесс, читавший работу, аварийно завершился (код {code}); экспортируйте модель "
        "заново и проверьте её командой `grader check`.",
    )
