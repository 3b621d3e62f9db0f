"""Sandbox A: call a student's function on one hidden input after another."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.ending import Stopped, raise_if_stopped, unfinished
from grader.sandbox.isolation.program import Child, Program
from grader.sandbox.isolation.start import start
from grader.sandbox.runners.child.function import pack
from grader.text import Text


@dataclass(frozen=True)
class FunctionJob:
    """What to call, and on what."""

    files: Mapping[str, bytes]
    """The submission's files by relative path; they become the working folder."""
    module: str
    function: str
    inputs: Sequence[np.ndarray]
    """float32, all of one shape; each is sent when the one before has been answered."""
    out_shape: tuple[int, ...]
    libraries: tuple[str, ...] = ("numpy",)
    """Imported before the submission is there; others that are installed can be, by it."""


@dataclass(frozen=True)
class FunctionRun:
    outputs: np.ndarray
    """(calls, *out_shape) float32."""
    seconds_per_call: np.ndarray
    """(calls,) seconds from sending an input to having its answer, on our clock."""
    seconds: float
    log: str


def run_function(job: FunctionJob, limits: RunLimits) -> FunctionRun:
    """Call the function. Raises Stopped with the submission's status when it does not end well:
    an import or a call that fails, a wrong answer's shape, a time-out, a crash, no memory."""
    in_shape = job.inputs[0].shape
    program = Program(
        task="function",
        order={
            "module": job.module,
            "function": job.function,
            "calls": len(job.inputs),
            "in_shape": list(in_shape),
            "out_shape": list(job.out_shape),
        },
        confine="code",
        libraries=job.libraries,
        blobs=[pack(job.files)],
        limits=limits,
    )
    outputs = np.full((len(job.inputs), *job.out_shape), np.nan, dtype="<f4")
    seconds = np.full(len(job.inputs), np.nan)
    child = start(program)
    try:
        done, early = _call_one_by_one(child, job, outputs, seconds)
        ended = child.finish()
        early = early or child.pending()  # more answers than questions
    finally:
        child.close()
    if early:
        raise Stopped(Status.REJECTED, _early(), ended.log)
    raise_if_stopped(ended, limits, "code")
    if done < len(job.inputs):
        raise unfinished("code", done, len(job.inputs), ended.log)
    return FunctionRun(outputs, seconds, ended.seconds, ended.log)


def _call_one_by_one(
    child: Child, job: FunctionJob, outputs: np.ndarray, seconds: np.ndarray
) -> tuple[int, bool]:
    """How many calls were answered, and whether something answered before it was asked."""
    size = outputs[0].nbytes
    for number, given in enumerate(job.inputs):
        data = np.ascontiguousarray(given, dtype="<f4").tobytes()
        if child.pending():
            return number, True
        try:
            started = time.perf_counter()
            child.send(data)
            answer = child.receive(size)
            seconds[number] = time.perf_counter() - started
        except BrokenPipeError:  # the child ended; its end says why
            return number, False
        outputs[number] = np.frombuffer(answer, dtype="<f4").reshape(job.out_shape)
    return len(job.inputs), False


def _early() -> Text:
    return Text(
        en="Something answered before it was asked: expected one answer to each input, written by "
        "returning it; do not write to file descriptors that you did not open.",
        ru="Ответ пришёл раньше вопроса: на каждый вход ожидался один ответ, возвращённый из "
        "функции; не пишите в файловые дескрипторы, которые вы не открывали.",
    )
