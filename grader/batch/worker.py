"""The program of a worker process: load one lesson, then grade one submission after another.

    python -P -m grader.batch.worker LESSON EXAMINATION

Requests arrive on stdin, a line of JSON each: {"path": ..., "name": ...}. Answers are written to
what was stdout at the start: eight bytes of length, big-endian, then an Outcome as JSON. An empty
answer first says that the worker is ready. The worker ends when stdin closes, which happens when
its parent ends.
"""

from __future__ import annotations

import contextlib
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
from grader.batch.results import outcome_to_json
from grader.grading import Examination, Outcome
from grader.lesson import loading
from grader.lesson.grades import Status, SubmissionId
from grader.sandbox.isolation.process import Stopped

MEMORY_BYTES = 4 * 2**30
"""Address space. A hostile file that makes a parser allocate too much causes a MemoryError."""


def main() -> None:
    lesson, file = sys.argv[1:]
    requests, answers = _take_pipes()
    _limit_memory()
    _ = loading.load(lesson).autograder  # defines the class of the pickled exam
    examination: Examination = pickle.loads(Path(file).read_bytes())  # written by the parent
    _send(answers, b"")
    while True:
        request = requests.get()
        _send(answers, _grade(examination, Path(request["path"]), request["name"]))


def _take_pipes() -> tuple[SimpleQueue[dict[str, Any]], BinaryIO]:
    """Move both pipes to new descriptors, so that no library prints into the answers and no child
    reads requests."""
    lines, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 -- a device, not a path
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines, requests), daemon=True).start()
    return requests, answers


def _listen(lines: BinaryIO, requests: SimpleQueue[dict[str, Any]]) -> None:
    """Read requests in a second thread, which notices that stdin closes during grading."""
    for line in lines:
        requests.put(json.loads(line))
    end()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows, where the sandbox limits runs from outside
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > MEMORY_BYTES:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses
            # The soft limit only, because a lesson may allow its runs more than this.
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))


def _grade(examination: Examination, path: Path, name: str) -> bytes:
    started = time.monotonic()
    try:
        return outcome_to_json(grading.grade_for_class(examination, path, name))
    except Exception as error:  # files that vanish; a measurement that is no number
        ended = Stopped(Status.GRADER_FAULT, grading.fault_sentence(error))
        grade = grading.ungraded(examination, SubmissionId(name, ""), ended, started)
        return outcome_to_json(Outcome(grade, traceback.format_exc()))


def _send(answers: BinaryIO, raw: bytes) -> None:
    answers.write(len(raw).to_bytes(8, "big") + raw)
    answers.flush()


if __name__ == "__main__":
    main()
