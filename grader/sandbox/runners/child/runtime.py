"""ONNX Runtime in a child: one thread, no spinning, and errors as exit codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.sandbox.isolation.task import ChildExit, Failure


def open_session(data: bytes) -> Any:
    """A session of the model in `data`. Raises Failure."""
    try:
        import onnxruntime
    except ImportError as error:
        raise Failure(ChildExit.NO_RUNTIME, f"{error}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise classified(error, ChildExit.LOAD_FAILED) from error


def classified(error: Exception, code: ChildExit) -> Failure:
    """A failure with `code`, or with OUT_OF_MEMORY where the message says so. TorchScript puts a
    traceback before the message, which is left out."""
    lines = [line for line in str(error).splitlines() if line.strip()] or ["?"]
    message = " ".join((lines[-1] if "Traceback" in lines[0] else " ".join(lines)).split())[:2000]
    starved = isinstance(error, MemoryError) or any(
        words in message.lower()
        for words in ("bad alloc", "failed to allocate", "bad_alloc", "can't allocate memory")
    )
    return Failure(ChildExit.OUT_OF_MEMORY if starved else code, message)


def checked(output: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The output of a model. Raises Failure unless it is a float32 array of this shape."""
    if type(output) is not np.ndarray or (output.shape, output.dtype) != (shape, np.float32):
        found = f"{getattr(output, 'dtype', type(output))} {getattr(output, 'shape', '')}"
        raise Failure(ChildExit.BAD_OUTPUT, f"expected float32 {shape}, found {found}")
    return output
