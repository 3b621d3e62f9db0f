"""A worker process: one lesson, warm, one submission after another.

    python -P -m grader.batch.worker LESSON EXAMINATION

Requests come on stdin, a line of JSON each: {"path": ..., "name": ...}. Answers go out on what
was stdout: eight bytes of length, big-endian, then an Outcome as JSON; an empty answer first
says that the worker is ready. When stdin closes, whoever started it is gone, and it ends.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import time
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from grader import grading
from grader.batch.processes import end
from grader.batch.results import Outcome, outcome_to_json
from grader.grading import Examination
from grader.lesson import loading
from grader.lesson.grades import Status, SubmissionId
from grader.sandbox.isolation.process import Stopped

MEMORY_BYTES = 4 * 2**30
"""Address space: a hostile file that makes a parser ask for everything gets a MemoryError."""


def main() -> None:
    lesson, file = sys.argv[1:]
    requests, answers = _take_pipes()
    _limit_memory()
    examination = _load(lesson, Path(file))
    _send(answers, b"")
    while True:
        request = requests.get()
        _send(answers, _grade(examination, Path(request["path"]), request["name"]))


def _take_pipes() -> tuple[SimpleQueue[dict[str, Any]], BinaryIO]:
    """Keep both pipes for ourselves: what a library prints, or a child reads, is not ours."""
    lines, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 -- a device, not a path
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines, requests), daemon=True).start()
    return requests, answers


def _listen(lines: BinaryIO, requests: SimpleQueue[dict[str, Any]]) -> None:
    """The only other thread: it sees stdin close while the main one is at work."""
    for line in lines:
        requests.put(json.loads(line))
    end()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows: runs are watched from outside
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > MEMORY_BYTES:
        try:
            # Soft only: a lesson may allow its runs more than this.
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
        except (ValueError, OSError):  # macOS refuses
            return


def _load(lesson: str, file: Path) -> Examination:
    _ = loading.load(lesson).autograder  # the class of the exam lives in the lesson's module
    examination: Examination = pickle.loads(file.read_bytes())  # ours, in a folder of ours
    return examination


def _grade(examination: Examination, path: Path, name: str) -> bytes:
    started = time.monotonic()
    try:
        done = grading.grade_for_class(examination, path, name)
        return outcome_to_json(Outcome(done.grade, done.fault, done.notebook, done.evidence))
    except Exception as error:  # files that vanish; a measurement that is no number
        ended = Stopped(Status.GRADER_FAULT, grading.fault_sentence(error))
        grade = grading.ungraded(examination, SubmissionId(name, ""), ended, started)
        return outcome_to_json(Outcome(grade, traceback.format_exc()))


def _send(answers: BinaryIO, raw: bytes) -> None:
    answers.write(len(raw).to_bytes(8, "big") + raw)
    answers.flush()


if __name__ == "__main__":
    main()
