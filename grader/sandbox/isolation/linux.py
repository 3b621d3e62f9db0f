"""What confines a process on Linux and Python's standard library does not wrap, through libc.

Namespaces, mounts, capabilities, and Landlock, with which a process gives up the file system but
for the paths it names. Source: Documentation/userspace-api/landlock.rst of the Linux kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import stat
from collections.abc import Iterable
from functools import cache
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 1 << 14, 1 << 18

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x2008_0522

# The same numbers on x86-64 and aarch64, as for everything newer than Linux 5.1.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
_ON_FILES = (1 << 0) | _WRITE_FILE | _READ_FILE | _TRUNCATE
_FS_OF_ABI = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
"""Accesses that each version of the interface can refuse."""
_NEW_IN_PRIVATE = 0x1FFF & ~((1 << 0) | (1 << 6) | (1 << 9) | (1 << 11))
"""Everything but executing and making devices, sockets and block files."""
_NET = 0b11  # bind and connect TCP
_SCOPES = 0b11  # abstract UNIX sockets, signals
_PATH_BENEATH = 1


# Each of these raises OSError with the kernel's reason.


def syscall(number: int, *arguments: object) -> int:
    return _checked(_libc().syscall(number, *arguments), f"syscall {number}")


def prctl(option: int, *arguments: object) -> int:
    given = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    padding = [ctypes.c_ulong(0)] * (4 - len(given))
    return _checked(_libc().prctl(option, *given, *padding), f"prctl {option}")


def unshare(flags: int) -> None:
    _checked(_libc().unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    _checked(
        _libc().mount(
            source.encode(),
            target.encode(),
            None if kind is None else kind.encode(),
            ctypes.c_ulong(flags),
            options.encode() or None,
        ),
        f"mount {target}",
    )


def drop_capabilities() -> None:
    """Give up every capability for good, so that root inside a namespace has no power."""
    with contextlib.suppress(OSError):  # past the last one, or none was held
        for capability in range(64):
            prctl(_PR_CAPBSET_DROP, capability)
    with contextlib.suppress(OSError):
        prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    syscall(_CAPSET[platform.machine()], ctypes.byref(header), ctypes.byref(nothing))


def landlock_abi() -> int:
    """The kernel's version of the Landlock interface; 0 without it."""
    try:
        return syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


def landlock_ruleset(
    readable: Iterable[Path] = (),
    listable: Iterable[Path] = (),
    writable: Iterable[Path] = (),
    private: Path | None = None,
) -> int:
    """A descriptor of rules for `landlock_restrict`.

    Files below `readable` may be read, names below `listable` listed, files `writable` written,
    `private` used freely. Everything else is refused, and so are TCP, abstract sockets and signals
    to others where the kernel knows how. Raises OSError without Landlock."""
    version = landlock_abi()
    handled = _FS_OF_ABI[min(version, 5)] if version else 0
    attributes = _Ruleset(handled, _NET if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    descriptor = syscall(
        _LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0
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


def landlock_restrict(descriptor: int) -> None:
    """Confine this process and all it starts to the rules, for good."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    syscall(_LANDLOCK_RESTRICT_SELF, descriptor, 0)


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def _allow(descriptor: int, path: Path, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= _ON_FILES
        rule = _PathBeneath(access, place)
        syscall(_LANDLOCK_ADD_RULE, descriptor, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
