"""Sandbox B: run a streaming model. The trusted side chooses the chunks and measures the time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.levels import start
from grader.sandbox.isolation.process import Child, Program, raise_if_stopped
from grader.sandbox.runners.child.stream import ANSWER, CHUNK, END, HELD, REQUEST, RESET
from grader.text.errors import Rejected

Form = Literal["onnx", "torchscript"]

LIBRARIES: dict[Form, tuple[str, ...]] = {
    "onnx": ("numpy", "onnxruntime"),
    "torchscript": ("numpy", "torch"),
}


@dataclass(frozen=True)
class StreamJob:
    """A streaming model in one of two forms: ONNX with explicit state, or TorchScript."""

    model: bytes
    form: Form


@dataclass(frozen=True)
class Heard:
    """The answers of a model to the chunks of one recording."""

    probabilities: NDArray[np.float64]
    """(chunks,) the probability after each chunk."""
    ends: NDArray[np.int64]
    """(chunks,) number of samples up to the end of the chunk."""
    seconds: NDArray[np.float64]
    """(chunks,) wall-clock seconds from sending a chunk to its answer, by the trusted side."""
    finite: NDArray[np.bool_]
    """(chunks,) whether the probability and the visible state were finite."""
    state_bytes: NDArray[np.int64]
    """(chunks,) bytes of the explicit state; 0 for TorchScript."""


class Listener:
    """A running streaming model. Use as a context manager; leaving it ends the child.

    Every method raises Stopped when the child ends early, with the submission's status, and
    Rejected when the model answers before it is asked.
    """

    def __init__(self, job: StreamJob, limits: RunLimits) -> None:
        self._limits, self._form = limits, job.form
        self._child: Child = start(
            Program(
                task="stream",
                order={"form": job.form},
                confine="compute",
                libraries=LIBRARIES[job.form],
                blobs=[job.model],
                limits=limits,
            )
        )
        self.log = ""

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()

    def reset(self) -> None:
        """Reset the state of the model."""
        self._ask(RESET)

    def hear(self, samples: NDArray[np.float32], sizes: Iterable[int]) -> Heard:
        """Answers to `samples` (n,), sent in chunks of these sizes, each after the answer to the
        one before. The sizes must add up to at least n; the last chunk is what is left."""
        answers, ends, start_of_chunk = [], [], 0
        for size in sizes:
            if start_of_chunk >= len(samples):
                break
            chunk = samples[start_of_chunk : start_of_chunk + size]
            began = time.perf_counter()
            probability, finite, kept, _ = self._ask(CHUNK, chunk)
            answers.append((probability, finite, kept, time.perf_counter() - began))
            start_of_chunk += len(chunk)
            ends.append(start_of_chunk)
        columns = np.array(answers, np.float64).reshape(-1, 4)
        return Heard(
            probabilities=columns[:, 0],
            ends=np.array(ends, np.int64),
            seconds=columns[:, 3],
            finite=columns[:, 1] == 1.0,
            state_bytes=columns[:, 2].astype(np.int64),
        )

    def held(self) -> tuple[int, int]:
        """Bytes of the model's state, and how many of them changed with the input."""
        _, _, kept, changed = self._ask(HELD)
        return int(kept), int(changed)

    def finish(self) -> None:
        """End the model in the normal way. Raises Stopped unless it ended well."""
        self._ask(END)

    def _ask(
        self, kind: int, samples: NDArray[np.float32] | None = None
    ) -> tuple[float, float, int, int]:
        raw = b"" if samples is None else np.ascontiguousarray(samples, "<f4").tobytes()
        try:
            if self._child.pending():
                raise Rejected(
                    "The model answered before the samples came; an answer may depend only on "
                    "samples that were sent."
                )
            self._child.send(REQUEST.pack(kind, len(raw) // 4) + raw)
            if kind == END:
                self._end()
                return (0.0, 0.0, 0, 0)
            return ANSWER.unpack(self._child.receive(ANSWER.size))
        except BrokenPipeError:
            self._end()
            raise Rejected(
                "The model ended in mid-stream without an error message; export it again."
            ) from None

    def _end(self) -> None:
        ended = self._child.finish()
        self.log = ended.log
        raise_if_stopped(ended, self._limits, self._form)
