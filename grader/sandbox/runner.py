"""The child of the sandbox: loads ONNX models, answers requests, then evaluates all inputs.

It is started as `python -m grader.sandbox.runner` with one JSON argument and holds nothing
worth stealing: no labels, no environment, no student Python. Its exit code only chooses a
sentence; results count because they are finite numbers in a file that the parent made.

Protocol on stdin/stdout, raw little-endian: one byte (0 artefact, 1 rival) and one float32
input row asks for one float32 output row; byte 255 asks for the evaluation of all rows.
"""

from __future__ import annotations

import json
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

EVALUATE = 255


class ChildExit(IntEnum):
    LOAD_FAILED = 20
    RUN_FAILED = 21
    BAD_OUTPUT = 22
    OUT_OF_MEMORY = 23
    NO_RUNTIME = 24
    """ONNX Runtime itself is missing or broken here: nobody's model is at fault."""


class _Failure(Exception):
    def __init__(self, code: ChildExit, message: str) -> None:
        super().__init__(message)
        self.code = code


def main() -> int:
    job = json.loads(sys.argv[1])
    requests, answers = _claim_pipes()
    _limit(job["limits"])
    try:
        models = [_load(Path(path)) for path in job["models"]]
        _serve(job, models, requests, answers)
    except _Failure as failure:
        print(failure, file=sys.stderr, flush=True)
        return failure.code
    except MemoryError:
        print("out of memory", file=sys.stderr, flush=True)
        return ChildExit.OUT_OF_MEMORY
    return 0


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for the protocol; what libraries print goes to the log (stderr)."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return requests, answers


def _limit(limits: dict[str, int]) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent watches from outside
        return
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # A second of grace turns the kernel's SIGKILL into a SIGXCPU, which says why.
        grace = 1 if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else 0
        try:
            resource.setrlimit(kind, (value, value + grace))
        except (ValueError, OSError):  # macOS refuses some limits; the parent watches too
            continue


def _load(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise _Failure(ChildExit.NO_RUNTIME, f"{error}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise _classified(error, ChildExit.LOAD_FAILED) from error


def _serve(job: dict[str, Any], models: list[Any], requests: BinaryIO, answers: BinaryIO) -> None:
    row_shape, out_shape = tuple(job["row_shape"]), tuple(job["out_shape"])
    row_bytes = 4 * int(np.prod(row_shape))
    while (which := _read(requests, 1)[0]) != EVALUATE:
        row = np.frombuffer(_read(requests, row_bytes), "<f4").reshape(1, *row_shape)
        answers.write(_infer(models[which], row, out_shape).tobytes())
    with Path(job["inputs"]).open("rb") as source, Path(job["outputs"]).open("r+b") as target:
        source.seek(job["offset"])
        for start in range(0, job["rows"], job["batch"]):
            count = min(job["batch"], job["rows"] - start)
            rows = np.frombuffer(source.read(count * row_bytes), "<f4").reshape(count, *row_shape)
            target.write(_infer(models[0], rows, out_shape).tobytes())


def _infer(model: Any, rows: np.ndarray, out_shape: tuple[int, ...]) -> np.ndarray:
    try:
        (output,) = model.run([model.get_outputs()[0].name], {model.get_inputs()[0].name: rows})
    except Exception as error:
        raise _classified(error, ChildExit.RUN_FAILED) from error
    expected = (len(rows), *out_shape)
    if not isinstance(output, np.ndarray) or output.shape != expected or output.dtype != "<f4":
        found = f"{getattr(output, 'dtype', type(output))} {getattr(output, 'shape', '')}"
        raise _Failure(ChildExit.BAD_OUTPUT, f"expected float32 {expected}, found {found}")
    return np.ascontiguousarray(output)


def _classified(error: Exception, code: ChildExit) -> _Failure:
    message = " ".join(str(error).split())[:2000]
    starved = isinstance(error, MemoryError) or any(
        words in message.lower() for words in ("bad alloc", "failed to allocate", "bad_alloc")
    )
    return _Failure(ChildExit.OUT_OF_MEMORY if starved else code, message)


def _read(pipe: BinaryIO, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        block = pipe.read(count - len(parts))
        if not block:
            raise SystemExit(0)  # the parent is gone
        parts += block
    return parts


if __name__ == "__main__":
    sys.exit(main())
