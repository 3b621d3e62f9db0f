"""Seccomp: the few system calls that a submission's process may make, and no others.

A filter is a classic BPF program over (number, architecture, arguments); whatever it does not
name fails with EPERM. Source: Documentation/userspace-api/seccomp_filter.rst of the Linux
kernel.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from grader.sandbox.isolation import syscalls
from grader.sandbox.isolation.syscall_numbers import AUDIT_ARCH, NUMBERS


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


COMPUTE = _names(
    """read write readv writev pread64 pwrite64 lseek close fstat mmap munmap mprotect mremap
    madvise brk rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack futex sched_yield
    sched_getaffinity clock_gettime clock_getres gettimeofday time nanosleep clock_nanosleep exit
    exit_group getpid gettid getppid getuid geteuid getgid getegid getcwd getrandom
    set_robust_list get_robust_list set_tid_address rseq poll ppoll getrusage times uname sysinfo
    restart_syscall membarrier getcpu fcntl ioctl kill tgkill prctl clone3"""
)
"""What arithmetic on memory and open descriptors needs: no path can be opened or looked at."""

CODE = COMPUTE | _names(
    """prlimit64 clone socketpair open openat stat lstat newfstatat statx access faccessat
    faccessat2 readlink readlinkat getdents getdents64 mkdir mkdirat unlink unlinkat rmdir rename
    renameat renameat2 ftruncate fallocate fsync fdatasync flock chdir fchdir dup dup2
    dup3 pipe pipe2 eventfd2 select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait umask
    symlink symlinkat statfs fstatfs sendto recvfrom shutdown getsockopt
    msync mincore fadvise64 copy_file_range sendfile getgroups getsid getpgrp getpgid"""
)
"""Also files (Landlock says which), threads, and pipes inside the process. Nothing that changes
a file by its path where Landlock does not look: rights, times, and on older kernels its length."""

_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16
_X32_BIT = 0x4000_0000
_SECCOMP_MODE_FILTER = 2


@dataclass(frozen=True)
class OneOf:
    """The argument's low 32 bits are one of these."""

    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class NoneOf:
    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class Bits:
    """Of the argument's low 32 bits under `mask`, exactly `value` are set."""

    argument: int
    mask: int
    value: int


@dataclass(frozen=True)
class Null:
    """The argument is a null pointer."""

    argument: int


@dataclass(frozen=True)
class NotBits:
    """Of the argument's low 32 bits under `mask`, not exactly `value` are set."""

    argument: int
    mask: int
    value: int


Rule = OneOf | NoneOf | Bits | Null | NotBits
Instruction = tuple[int, int, int, int]
"""code, jump if true, jump if false, constant."""

_O_ACCMODE, _O_TRUNC = 0o3, 0o1000
_CLONE_THREAD, _CLONE_NEW_ANYTHING = 0x1_0000, 0x7E02_0080


def _rules(pid: int) -> Mapping[str, tuple[Rule, ...]]:
    """What is allowed with certain arguments only; `pid` is the process itself."""
    # A SIGKILL that we did not send always means that the system did.
    to_itself = (OneOf(0, (pid,)), NoneOf(1, (9,)))
    return {
        "kill": to_itself,
        "tgkill": (OneOf(0, (pid,)), NoneOf(2, (9,))),
        # Limits can be read. Lowering its own, a process could die as if the machine had done it.
        "prlimit64": (OneOf(0, (0, pid)), Null(2)),
        "clone": (Bits(0, _CLONE_THREAD | _CLONE_NEW_ANYTHING, _CLONE_THREAD),),
        # Opened for reading only, a file can be emptied, which Landlock before Linux 6.2 allows.
        "open": (NotBits(1, _O_TRUNC | _O_ACCMODE, _O_TRUNC),),
        "openat": (NotBits(2, _O_TRUNC | _O_ACCMODE, _O_TRUNC),),
        "socketpair": (OneOf(0, (1,)),),  # AF_UNIX
        "prctl": (OneOf(0, (15, 16)),),  # PR_SET_NAME, PR_GET_NAME
        # TCGETS (isatty), TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
        "ioctl": (OneOf(1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),),
        "fcntl": (NoneOf(1, (8, 10, 15)),),  # F_SETOWN, F_SETSIG, F_SETOWN_EX aim signals
    }


def install(allowed: frozenset[str]) -> None:
    """Filter this process and all its threads to come, for good. Raises OSError."""
    instructions = program(allowed, os.getpid(), platform.machine())
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    header = struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(buffer))
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(
        syscalls.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header)
    )


def program(allowed: frozenset[str], pid: int, machine: str) -> list[Instruction]:
    """The filter. Raises KeyError on a machine whose system calls are not known."""
    arch, column = AUDIT_ARCH[machine], list(AUDIT_ARCH).index(machine)
    rules = _rules(pid)
    found = [
        (_LOAD, 0, 0, _AT_ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),  # the same numbers mean other calls to a 32-bit kernel entry
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_ABOVE, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    for name in sorted(allowed):
        number = NUMBERS[name][column]
        if number is None:
            continue
        if name == "clone3":
            # Its flags lie in memory, out of a filter's sight; without it libc takes clone.
            verdict = [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
        else:
            verdict = [*_checks(rules.get(name, ())), (_RETURN, 0, 0, _ALLOW)]
        found += [(_JUMP_EQUAL, 0, len(verdict), number), *verdict]
    return [*found, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _checks(rules: tuple[Rule, ...]) -> list[Instruction]:
    """Instructions that fall through when all rules hold, and refuse otherwise."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    found: list[Instruction] = []
    for rule in rules:
        found.append((_LOAD, 0, 0, _AT_ARGUMENTS + 8 * rule.argument))
        match rule:
            case OneOf(values=values):
                # Each match jumps over the rest and the refusal.
                left = len(values)
                found += [(_JUMP_EQUAL, left - n, 0, value) for n, value in enumerate(values)]
                found.append(refuse)
            case NoneOf(values=values):
                for value in values:
                    found += [(_JUMP_EQUAL, 0, 1, value), refuse]
            case Null():
                found += [(_JUMP_EQUAL, 1, 0, 0), refuse]
                found.append((_LOAD, 0, 0, _AT_ARGUMENTS + 8 * rule.argument + 4))
                found += [(_JUMP_EQUAL, 1, 0, 0), refuse]
            case NotBits(mask=mask, value=value):
                found += [(_AND, 0, 0, mask), (_JUMP_EQUAL, 0, 1, value), refuse]
            case Bits(mask=mask, value=value):
                found += [(_AND, 0, 0, mask), (_JUMP_EQUAL, 1, 0, value), refuse]
    return found
