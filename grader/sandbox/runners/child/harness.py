"""Sandbox A: a lesson's own module calls a student's code, one call after another.

Blob 0 is the submission's files, blob 1 the harness: trusted modules by name, both as `pack` wrote
them. The last of them answers the calls; it defines

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

from grader.sandbox.isolation.task import ChildExit, Failure, Work, unpack, write_files

ANSWER, BLOB, FAILED = range(3)
LENGTH = struct.Struct("<I")
HEADER = struct.Struct("<BI")
MAX_MESSAGE = 400


class StudentError(Failure):
    """An error of a student's code: the exit code that stands for it, and a message."""


class Student:
    """The submission, as a harness uses it. Nothing of it is imported before it is asked for."""

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
        """Call a function of the student, or one that calls it. Raises StudentError."""
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
        """The message of an error, with the last line of the student's code in its traceback."""
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
    write_files(work.blob(0), root)
    sys.dont_write_bytecode = True
    answer = _load(dict(unpack(work.blob(1)))).answer
    sys.path.insert(0, str(root))
    student = Student(root)
    read, write = work.channel.read, work.channel.write
    while (size := LENGTH.unpack(read(LENGTH.size))[0]) > 0:
        kind, data = _answer(answer, json.loads(read(size).decode()), student)
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
        # Not raised by the student's code but because of it: the harness itself is tested.
        found = [int(ChildExit.RUN_FAILED), student.described(error)]
    gc.collect()
    return FAILED, json.dumps(found).encode()


def _load(sources: dict[str, bytes]) -> Any:
    """Create the modules, which can import those before them; the last one."""
    module = None
    for name, source in sources.items():
        module = ModuleType(name)
        sys.modules[name] = module
        exec(compile(source, f"<{name}>", "exec"), module.__dict__)
    return module


def _message(error: BaseException) -> str:
    """Type and message of an error, cut short; an exception's own __str__ may fail."""
    try:
        message = " ".join(str(error).split())
    except BaseException:
        message = "?"
    return f"{type(error).__name__}: {message[:MAX_MESSAGE]}"
