"""Sandbox A: a function of a student's module, called on one array after another.

Blob 0 is the submission's files, as `pack` wrote them. Each request is one float32 array of a
fixed shape, each answer one float32 array of a fixed shape.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grader.sandbox.isolation.work import ChildExit, Failure, Work

MAX_MESSAGE = 400


def pack(files: Mapping[str, bytes]) -> bytes:
    """Names and contents in one piece, to be read by `unpack` in the child."""
    index = json.dumps([[name, len(data)] for name, data in files.items()]).encode()
    return len(index).to_bytes(8, "little") + index + b"".join(files.values())


def unpack(packed: bytes, folder: Path) -> None:
    """Write the files; their names were judged when the submission was taken in."""
    start = 8 + int.from_bytes(packed[:8], "little")
    for name, size in json.loads(packed[8:start]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed[start : start + size])
        start += size


def run(work: Work) -> None:
    unpack(work.blob(0), Path.cwd())
    in_shape, out_shape = tuple(work.order["in_shape"]), tuple(work.order["out_shape"])
    function = _find(work.order["module"], work.order["function"])
    for _ in range(work.order["calls"]):
        given = np.frombuffer(work.channel.read(4 * int(np.prod(in_shape))), "<f4")
        answer = _guard(partial(function, given.reshape(in_shape).copy()))
        work.channel.write(_checked(answer, out_shape).tobytes())


def _find(module: str, function: str) -> Callable[..., Any]:
    sys.path.insert(0, str(Path.cwd()))
    sys.dont_write_bytecode = True
    found = _guard(partial(importlib.import_module, module), ChildExit.LOAD_FAILED)
    called: Callable[..., Any] | None = getattr(found, function, None)
    if not callable(called):
        raise Failure(ChildExit.LOAD_FAILED, f"{module}.py defines no function {function}().")
    return called


def _guard(call: Callable[[], Any], code: ChildExit = ChildExit.RUN_FAILED) -> Any:
    """Run what a student wrote. The log gets the student's own lines of the traceback."""
    try:
        return call()
    except (SystemExit, MemoryError):
        raise
    except BaseException as error:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(Path.cwd())
        ]
        for frame in frames[-10:]:
            name = Path(frame.filename).relative_to(Path.cwd())
            print(f"{name}, line {frame.lineno}: {frame.line}", file=sys.stderr)
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        raise Failure(code, f"{_described(error)}{where}.") from error


def _described(error: BaseException) -> str:
    """A message may be of any length, and an exception's own __str__ may fail."""
    try:
        message = " ".join(str(error).split())
    except BaseException:
        message = "?"
    return f"{type(error).__name__}: {message[:MAX_MESSAGE]}"


def _checked(answer: Any, shape: tuple[int, ...]) -> np.ndarray:
    # Exactly an array: anything else may run code of its own when it is looked at.
    if type(answer) is not np.ndarray or answer.dtype.kind not in "biuf" or answer.shape != shape:
        found = type(answer).__name__
        if type(answer) is np.ndarray:
            found = f"an array of {answer.dtype}, shape {answer.shape}"
        raise Failure(
            ChildExit.BAD_OUTPUT, f"expected a numpy array of shape {shape}, found {found}"
        )
    return np.ascontiguousarray(answer, dtype="<f4")
