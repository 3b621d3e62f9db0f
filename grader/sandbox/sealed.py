"""Anonymous memory whose size (and, for what goes in, contents) can no longer change."""

from __future__ import annotations

import fcntl
import os

import numpy as np

_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def holding(data: bytes, name: str) -> int:
    """A descriptor of memory that holds `data` and is read-only for everyone."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE | fcntl.F_SEAL_WRITE)
    return descriptor


def unanswered(shape: tuple[int, ...], name: str) -> int:
    """A descriptor of float32 NaN, of a size that is fixed."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(np.full(shape, np.nan, dtype="<f4").tobytes())
    while view:
        view = view[os.write(descriptor, view) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE)
    return descriptor


def contents(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    parts = bytearray()
    while len(parts) < size and (block := os.pread(descriptor, size - len(parts), len(parts))):
        parts += block
    return bytes(parts)
