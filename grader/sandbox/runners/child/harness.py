"""Sandbox A: a lesson's own module asks a student's code one thing after another.

Blob 0 is the submission's files, blob 1 the harness: trusted modules by name, as `pack` wrote
both. The last of them is the one that is asked; it defines

    answer(order: dict, student: Student) -> plain data, or bytes

Protocol: a request is a uint32 length and that much JSON, length 0 ends. An answer is one byte
(`ANSWER`: JSON, `BLOB`: bytes, `FAILED`: JSON [exit code, message]), a uint32 length and that much.
An error ends one answer and not the process.
"""

from __future__ import annotations

import gc
import importlib
import json
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.sandbox.isolation.work import ChildExit, Work
from grader.sandbox.runners.child.function import unpack

ANSWER, BLOB, FAILED = range(3)
LENGTH = struct.Struct("<I")
HEADER = struct.Struct("<BI")
MAX_MESSAGE = 400


class StudentError(Exception):
    """What a student's code did wrong, as the exit code and the words for it."""

    def __init__(self, code: ChildExit, message: str) -> None:
        super().__init__(message)
        self.code = code


class Student:
    """The submission, seen from a harness. Nothing of it is imported before it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def function(self, module: str, name: str) -> Callable[..., Any]:
        """`name` of the student's `module`. Raises StudentError."""
        if not (self.root / f"{module}.py").is_file():
            raise StudentError(ChildExit.LOAD_FAILED, f"there is no file {module}.py.")
        found = self._guard(ChildExit.LOAD_FAILED, importlib.import_module, module)
        function = getattr(found, name, None)
        if not callable(function):
            raise StudentError(ChildExit.LOAD_FAILED, f"{module}.py defines no function {name}().")
        return function

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what a student wrote, or what runs it. Raises StudentError."""
        return self._guard(ChildExit.RUN_FAILED, function, *arguments)

    def _guard(self, code: ChildExit, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except MemoryError as error:
            raise StudentError(ChildExit.OUT_OF_MEMORY, self.described(error)) from None
        except BaseException as error:
            starved = "can't allocate memory" in _message(error)
            code = ChildExit.OUT_OF_MEMORY if starved else code
            raise StudentError(code, self.described(error)) from None

    def described(self, error: BaseException) -> str:
        """An error with the last of the student's own lines that it passed."""
        own = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(self.root)
        ]
        for frame in own[-10:]:
            name = Path(frame.filename).relative_to(self.root)
            print(f"{name}, line {frame.lineno}: {frame.line}", file=sys.stderr)
        where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        return f"{_message(error)}{where}."


def run(work: Work) -> None:
    root = Path.cwd()
    unpack(work.blob(0), root)
    sys.dont_write_bytecode = True
    answer = _load(_modules(work.blob(1))).answer
    sys.path.insert(0, str(root))
    student = Student(root)
    read, write = work.channel.read, work.channel.write
    while (size := LENGTH.unpack(read(LENGTH.size))[0]) > 0:
        kind, data = _answer(answer, json.loads(read(size)), student)
        write(HEADER.pack(kind, len(data)) + data)


def _answer(
    answer: Callable[..., Any], order: dict[str, Any], student: Student
) -> tuple[int, bytes]:
    try:
        value = answer(order, student)
        if type(value) is bytes:
            return BLOB, value
        return ANSWER, json.dumps(value, allow_nan=False).encode()
    except StudentError as error:
        found = [int(error.code), str(error)]
    except BaseException as error:
        # Not the student's line, and still the student's doing: without a submission it works.
        found = [int(ChildExit.RUN_FAILED), student.described(error)]
    gc.collect()
    return FAILED, json.dumps(found).encode()


def _modules(packed: bytes) -> dict[str, bytes]:
    start = 8 + int.from_bytes(packed[:8], "little")
    found = {}
    for name, size in json.loads(packed[8:start]):
        found[name] = packed[start : start + size]
        start += size
    return found


def _load(sources: dict[str, bytes]) -> Any:
    """The last module; those before it can be imported by those after."""
    module = None
    for name, source in sources.items():
        module = ModuleType(name)
        sys.modules[name] = module
        exec(compile(source, f"<{name}>", "exec"), module.__dict__)
    return module


def _message(error: BaseException) -> str:
    """A message may be of any length, and an exception's own __str__ may fail."""
    try:
        message = " ".join(str(error).split())
    except BaseException:
        message = "?"
    return f"{type(error).__name__}: {message[:MAX_MESSAGE]}"
