"""Landlock: a process gives up the file system, but for the paths it names.

Source: Documentation/userspace-api/landlock.rst of the Linux kernel.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from grader.sandbox.isolation import syscalls

_READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
_ON_FILES = (1 << 0) | _WRITE_FILE | _READ_FILE | _TRUNCATE
_FS_OF_ABI = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
"""Accesses that each version of the interface can refuse."""
_NEW_IN_PRIVATE = 0x1FFF & ~((1 << 0) | (1 << 6) | (1 << 9) | (1 << 11))
"""Everything but executing and making devices, sockets and block files."""
_NET = 0b11  # bind and connect TCP
_SCOPES = 0b11  # abstract UNIX sockets, signals
_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """The kernel's version of Landlock; 0 without it."""
    try:
        return syscalls.syscall(syscalls.LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


def ruleset(
    readable: Iterable[Path] = (),
    listable: Iterable[Path] = (),
    writable: Iterable[Path] = (),
    private: Path | None = None,
) -> int:
    """A descriptor for `restrict`: files below `readable` may be read, names below `listable`
    listed, files `writable` written, `private` used freely. Everything else is refused, and so
    are TCP, abstract sockets and signals to others where the kernel knows how. Raises OSError
    without Landlock."""
    version = abi()
    handled = _FS_OF_ABI[min(version, 5)] if version else 0
    attributes = _Ruleset(handled, _NET if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    descriptor = syscalls.syscall(
        syscalls.LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0
    )
    for path in readable:
        _allow(descriptor, path, (_READ_FILE | _READ_DIR) & handled)
    for path in listable:
        _allow(descriptor, path, _READ_DIR & handled)
    for path in writable:
        _allow(descriptor, path, (_READ_FILE | _WRITE_FILE) & handled)
    if private is not None:
        _allow(descriptor, private, (_NEW_IN_PRIVATE | _TRUNCATE) & handled)
    return descriptor


def restrict(descriptor: int) -> None:
    """Confine this process and all it starts to the rules, for good."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.syscall(syscalls.LANDLOCK_RESTRICT_SELF, descriptor, 0)


def _allow(descriptor: int, path: Path, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= _ON_FILES
        rule = _PathBeneath(access, place)
        syscalls.syscall(
            syscalls.LANDLOCK_ADD_RULE, descriptor, _PATH_BENEATH, ctypes.byref(rule), 0
        )
    finally:
        os.close(place)
