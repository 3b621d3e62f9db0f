"""What a task inside the sandbox is given, how it answers, and how it ends.

Imported on both sides; the task modules themselves are in `grader.sandbox.runners.child`. Each has
`run(work)`, some also `keep(data)`. A child holds no labels, no reference solutions and no
environment variables of the trusted side.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

READY = b"\x01"
"""First byte of a child: it is confined, and nothing of a submission has run yet."""


class ChildExit(IntEnum):
    """Exit codes of a child. They only choose a sentence, since a submission can forge them."""

    LOAD_FAILED = 20
    RUN_FAILED = 21
    BAD_OUTPUT = 22
    OUT_OF_MEMORY = 23
    NO_RUNTIME = 24
    """A library of the grader is missing or broken here; the submission is not at fault."""
    NOT_CONFINED = 25
    """The child could not be confined, so it ran nothing."""
    BROKEN = 26
    """The grader's own code failed in the child."""


class Failure(Exception):
    """The end of a run with an exit code; the message is the last line of the log."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Channel:
    """The child's end of the connection: raw bytes of known lengths, one request at a time."""

    requests: int
    answers: int

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises SystemExit when the other side is gone."""
        parts = os.read(self.requests, count)
        while len(parts) < count:
            block = os.read(self.requests, count - len(parts))
            if not block:
                raise SystemExit(0)
            parts += block
        return parts

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.answers, view) :]


@dataclass(frozen=True)
class Work:
    """What the trusted side gave to this child."""

    order: dict[str, Any]
    """The task's arguments, `Program.order`."""
    channel: Channel
    inputs: int
    """Descriptor of the file of inputs, -1 without one."""
    answers: int
    """Descriptor of the float32 results, -1 without them."""
    blobs: Sequence[int]
    """Descriptors of untrusted bytes."""
    kept: Any = None
    """What `keep` made of trusted bytes, in the process that this one was forked from."""

    def blob(self, number: int) -> bytes:
        descriptor = self.blobs[number]
        # Not fstat: libc may implement it as a lookup of an empty path, which is not allowed.
        count = os.lseek(descriptor, 0, os.SEEK_END)
        if not hasattr(os, "pread"):  # Windows
            os.lseek(descriptor, 0, os.SEEK_SET)
            return os.read(descriptor, count)
        return os.pread(descriptor, count, 0)


def guarded(task: Any, work: Work) -> int:
    """Run a task; its exit code, with a sentence on the last line of the log. The caller has
    confined the process already, which `READY` tells the trusted side."""
    try:
        work.channel.write(READY)
        task.run(work)
        code = 0
    except Failure as failure:
        print(failure, file=sys.stderr)
        code = failure.code
    except MemoryError:
        print("out of memory", file=sys.stderr)
        code = ChildExit.OUT_OF_MEMORY
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = ChildExit.BROKEN
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def pack(files: Mapping[str, bytes]) -> bytes:
    """Names and contents of files in one blob, to be read by `unpack` in the child."""
    index = json.dumps([[name, len(data)] for name, data in files.items()]).encode()
    return len(index).to_bytes(8, "little") + index + b"".join(files.values())


def unpack(packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files that `pack` was given, in their order."""
    start = 8 + int.from_bytes(packed[:8], "little")
    for name, size in json.loads(packed[8:start]):
        yield name, packed[start : start + size]
        start += size


def write_files(packed: bytes, folder: Path) -> None:
    """Write packed files by relative path; the names were checked when the submission was taken
    in."""
    for name, data in unpack(packed):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
