"""Run one ONNX model over a file of inputs in a child process, and bring back its answers."""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader.errors import Fault, GraderError
from grader.grades import Status
from grader.lesson import RunLimits as Limits
from grader.sandbox.environment import environment, python
from grader.sandbox.runner import EVALUATE, ChildExit
from grader.sandbox.watch import Watched
from grader.text import Text

WARM_UP = 5


class Stopped(GraderError):
    """A run that ended without results, with the status that the submission gets."""

    def __init__(self, status: Status, text: Text, log: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.log = log


@dataclass(frozen=True)
class Job:
    """What to run. `inputs` is a .npy file of float32, (rows, *row_shape)."""

    model: bytes
    inputs: Path
    out_shape: tuple[int, ...]
    """Shape of one row of the only output."""
    rival: bytes | None = None
    """A trusted model timed in turn with `model`, in the same process."""
    singles: Sequence[int] = ()
    """Rows that are also sent one at a time, the next after the answer to the last."""
    batch: int = 1
    """Rows in one call. With 1, MACs at batch 1 and quality come from one and the same path
    through the model, and no row can influence another."""


@dataclass(frozen=True)
class Run:
    """Answers of the model; a row that was not answered holds NaN."""

    outputs: np.ndarray
    """(rows, *out_shape) float32, of the evaluation of all rows."""
    singles: np.ndarray
    """(singles, *out_shape) float32, each row sent alone."""
    seconds_per_single: np.ndarray
    """(singles,) seconds from sending a row to having its answer, on our clock."""
    rival_seconds_per_single: np.ndarray
    """(singles,) the same for the rival, interleaved; empty without one."""
    seconds: float
    log: str


def run_onnx(job: Job, limits: Limits) -> Run:
    """Evaluate `job.model`. Raises Stopped with the submission's status when it does not end
    well: a model that ONNX Runtime refuses, a wrong output, a time-out, a crash, no memory."""
    inputs = np.load(job.inputs, mmap_mode="r", allow_pickle=False)
    with tempfile.TemporaryDirectory(prefix="grader-run-") as folder:
        place = Path(folder)
        results = _prepare_results(place / "outputs", (len(inputs), *job.out_shape))
        models = _write_models(place, job)
        child = Watched(
            [
                *python(),
                "-m",
                "grader.sandbox.runner",
                _order(job, inputs, models, results, limits),
            ],
            env=environment(),
            cwd=place,
            wall_seconds=limits.wall_seconds,
            memory_bytes=limits.memory_bytes,
            log_bytes=limits.log_bytes,
        )
        try:
            singles, timings = _ask_one_by_one(child, job, inputs)
            with contextlib.suppress(OSError):
                child.stdin.write(bytes([EVALUATE]))
            code = child.finish()
        finally:
            child.close()
        _raise_if_stopped(child, code, limits)
        outputs = np.fromfile(results, dtype="<f4").reshape(len(inputs), *job.out_shape)
    return Run(outputs, singles, timings[0], timings[1], child.seconds, child.log)


def _prepare_results(path: Path, shape: tuple[int, ...]) -> Path:
    """A file of NaN: what the child does not answer stays not a number."""
    np.full(shape, np.nan, dtype="<f4").tofile(path)
    return path


def _write_models(place: Path, job: Job) -> list[Path]:
    paths = []
    for name, model in (("model.onnx", job.model), ("rival.onnx", job.rival)):
        if model is not None:
            (place / name).write_bytes(model)
            paths.append(place / name)
    return paths


def _order(job: Job, inputs: np.ndarray, models: list[Path], results: Path, limits: Limits) -> str:
    return json.dumps(
        {
            "models": [str(path) for path in models],
            "inputs": str(job.inputs),
            "offset": int(getattr(inputs, "offset", 0)),
            "outputs": str(results),
            "rows": len(inputs),
            "row_shape": list(inputs.shape[1:]),
            "out_shape": list(job.out_shape),
            "batch": job.batch,
            "limits": {
                # Address space is not resident memory: libraries map more than they touch.
                "RLIMIT_AS": limits.memory_bytes + 2**30,
                "RLIMIT_CPU": int(limits.cpu_seconds) + 1,
                "RLIMIT_FSIZE": results.stat().st_size + 2**20,
                "RLIMIT_CORE": 0,
                "RLIMIT_NOFILE": 64,
            },
        }
    )


def _ask_one_by_one(
    child: Watched, job: Job, inputs: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Send single rows to the model and its rival in turn, in ABBA order."""
    rivals = (0, 1) if job.rival is not None else (0,)
    answers = np.full((len(job.singles), *job.out_shape), np.nan, dtype="<f4")
    seconds = np.full((2, len(job.singles)), np.nan)
    try:
        for _ in range(WARM_UP if len(job.singles) else 0):
            for which in rivals:
                _ask(child, which, inputs[job.singles[0]], answers[0])
        for number, row in enumerate(job.singles):
            for which in rivals if number % 2 == 0 else rivals[::-1]:
                clip = np.ascontiguousarray(inputs[row])
                started = time.perf_counter()
                answer = _ask(child, which, clip, answers[number])
                seconds[which, number] = time.perf_counter() - started
                if which == 0:
                    answers[number] = answer
    except OSError:  # the child ended; its exit code says why
        pass
    return answers, (seconds[0], seconds[1] if len(rivals) == 2 else seconds[1, :0])


def _ask(child: Watched, which: int, clip: np.ndarray, like: np.ndarray) -> np.ndarray:
    child.stdin.write(bytes([which]) + np.ascontiguousarray(clip, dtype="<f4").tobytes())
    raw = child.read_exactly(like.nbytes)
    if len(raw) < like.nbytes:
        raise BrokenPipeError
    return np.frombuffer(raw, dtype="<f4").reshape(like.shape)


def _raise_if_stopped(child: Watched, code: int, limits: Limits) -> None:
    if child.killed == "time" or code == -getattr(signal, "SIGXCPU", 0) != 0:
        raise Stopped(Status.TIMED_OUT, _timed_out(limits), child.log)
    if child.killed == "memory" or code == ChildExit.OUT_OF_MEMORY:
        raise Stopped(Status.OUT_OF_MEMORY, _out_of_memory(limits), child.log)
    if child.killed == "output":
        raise Stopped(Status.REJECTED, _too_much_output(limits), child.log)
    if code == ChildExit.NO_RUNTIME:
        raise Fault(
            Text(
                en="ONNX Runtime cannot be imported here; `grader doctor` says how to install it.",
                ru="Не удаётся импортировать ONNX Runtime; `grader doctor` подскажет, как его "
                "установить.",
            )
        )
    last = (child.log.strip().splitlines() or [""])[-1][:500]
    if code == ChildExit.LOAD_FAILED:
        raise Stopped(Status.REJECTED, _not_loaded(last), child.log)
    if code == ChildExit.RUN_FAILED:
        raise Stopped(Status.REJECTED, _not_run(last), child.log)
    if code == ChildExit.BAD_OUTPUT:
        raise Stopped(Status.REJECTED, _bad_output(last), child.log)
    if code != 0:
        raise Stopped(Status.CRASHED, _crashed(code), child.log)


def _timed_out(limits: Limits) -> Text:
    return Text(
        en=f"The model did not finish within {limits.wall_seconds:g} s; make it smaller, or look "
        "for an operator that is unexpectedly slow with `grader check`.",
        ru=f"Модель не уложилась в {limits.wall_seconds:g} с; уменьшите её или найдите неожиданно "
        "медленную операцию с помощью `grader check`.",
    )


def _out_of_memory(limits: Limits) -> Text:
    size = f"{limits.memory_bytes / 2**20:,.0f}"
    return Text(
        en=f"The model needs more than the {size} MiB of memory that are allowed; look for "
        "operators with very large outputs.",
        ru=f"Модели не хватило разрешённых {size} МиБ памяти; найдите операции с очень большими "
        "выходами.",
    )


def _too_much_output(limits: Limits) -> Text:
    return Text(
        en="The run printed far more than is allowed and was stopped; remove what prints.",
        ru="Запуск напечатал намного больше допустимого и был остановлен; уберите вывод.",
    )


def _not_loaded(detail: str) -> Text:
    return Text(
        en=f"ONNX Runtime cannot load the model: {detail} Export it again and run `grader check`.",
        ru=f"ONNX Runtime не загружает модель: {detail} Экспортируйте её заново и запустите "
        "`grader check`.",
    )


def _not_run(detail: str) -> Text:
    return Text(
        en=f"The model loads, but fails when it runs: {detail} Run it in ONNX Runtime on one "
        "input of the shape that the lesson names.",
        ru=f"Модель загружается, но падает при запуске: {detail} Запустите её в ONNX Runtime на "
        "одном входе той формы, которую требует задание.",
    )


def _bad_output(detail: str) -> Text:
    return Text(
        en=f"The model's output has the wrong shape or type: {detail}.",
        ru=f"Выход модели неверной формы или типа: {detail}.",
    )


def _crashed(code: int) -> Text:
    try:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        how = f"exit code {code}"
    return Text(
        en=f"The process that ran the model crashed ({how}); export the model again, and report "
        "it if it still crashes.",
        ru=f"Процесс, запускавший модель, аварийно завершился ({how}); экспортируйте модель "
        "заново, а если не поможет — сообщите преподавателю.",
    )


__all__ = ["Job", "Limits", "Run", "Stopped", "run_onnx"]
