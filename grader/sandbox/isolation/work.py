"""What runs inside a sandbox: each module has `run(work)`, some also `keep(data)`.

Nothing here is worth stealing: no labels, no references, no environment. A task raises
`Failure`; its exit code only chooses a sentence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

# The child's end of the wire: raw bytes of known lengths, one request at a time.


@dataclass(frozen=True)
class Channel:
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


# Exit codes of a child. They choose a sentence and nothing else: a submission can forge them.


class ChildExit(IntEnum):
    LOAD_FAILED = 20
    RUN_FAILED = 21
    BAD_OUTPUT = 22
    OUT_OF_MEMORY = 23
    NO_RUNTIME = 24
    """A library of ours is missing or broken here: nobody's work is at fault."""
    NOT_CONFINED = 25
    """The sandbox could not be closed behind the child, so it ran nothing."""
    BROKEN = 26
    """Our own code failed in the child."""


READY = b"\x01"


@dataclass(frozen=True)
class Work:
    """What the trusted side gave to this child."""

    order: dict[str, Any]
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
        # Not fstat: where libc looks a descriptor up by an empty path, no path may be looked at.
        return read_at(descriptor, os.lseek(descriptor, 0, os.SEEK_END), 0)


class Failure(Exception):
    """The end of a run with an exit code; the message is the last line of the log."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def guarded(task: Any, work: Work) -> int:
    """Run a task; its exit code, with a sentence on the last line of the log. The first byte on
    the channel says that the door is closed and that nothing of a submission has run yet."""
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


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    if not hasattr(os, "pread"):  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)
    return os.pread(descriptor, count, offset)
