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

from grader.sandbox.isolation import linux


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
"""How seccomp names the architecture; the order is that of the columns of `NUMBERS`."""

COMPUTE = _names(
    """read write readv writev pread64 pwrite64 lseek close fstat mmap munmap mprotect mremap
    madvise brk rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack futex sched_yield
    sched_getaffinity clock_gettime clock_getres gettimeofday time nanosleep clock_nanosleep exit
    exit_group getpid gettid getppid getuid geteuid getgid getegid getcwd getrandom
    set_robust_list get_robust_list set_tid_address rseq poll ppoll getrusage times uname sysinfo
    restart_syscall membarrier getcpu fcntl ioctl kill tgkill prctl clone3"""
)
"""What arithmetic on memory and open descriptors needs: no path can be opened or looked at."""

PRETENDED = _names(
    "chmod fchmod fchmodat utime utimes utimensat futimesat chown fchown lchown fchownat"
)
"""Rights, times and owners, at which Landlock does not look. They are never changed, but the calls
succeed: shutil.copy, which ends with one, works as it does elsewhere."""

ATTRIBUTES = _names(
    """setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    removexattr lremovexattr fremovexattr"""
)
"""Extended attributes fail as on a file system without them, which shutil.copy2 expects."""

CODE = (
    COMPUTE
    | PRETENDED
    | ATTRIBUTES
    | _names(
        """prlimit64 clone socketpair open openat stat lstat newfstatat statx access faccessat
    faccessat2 readlink readlinkat getdents getdents64 mkdir mkdirat unlink unlinkat rmdir rename
    renameat renameat2 ftruncate fallocate fsync fdatasync flock chdir fchdir dup dup2
    dup3 pipe pipe2 eventfd2 select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait umask
    symlink symlinkat statfs fstatfs sendto recvfrom shutdown getsockopt
    msync mincore fadvise64 copy_file_range sendfile getgroups getsid getpgrp getpgid"""
    )
)
"""Also files (Landlock says which), threads, and pipes inside the process. Nothing that changes
a file by its path where Landlock does not look, such as its length on older kernels."""

_TABLE = """
    read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, lseek 8 62,
    close 3 57, fstat 5 80, mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216,
    madvise 28 233, brk 12 214, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139,
    sigaltstack 131 132, futex 202 98, sched_yield 24 124, sched_getaffinity 204 123,
    clock_gettime 228 113, clock_getres 229 114, gettimeofday 96 169, time 201 -, nanosleep 35 101,
    clock_nanosleep 230 115, exit 60 93, exit_group 231 94, getpid 39 172, gettid 186 178,
    getppid 110 173, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
    getcwd 79 17, getrandom 318 278, set_robust_list 273 99, get_robust_list 274 100,
    set_tid_address 218 96, rseq 334 293, poll 7 -, ppoll 271 73, getrusage 98 165, times 100 153,
    uname 63 160, sysinfo 99 179, restart_syscall 219 128, membarrier 324 283, getcpu 309 168,
    fcntl 72 25, ioctl 16 29, kill 62 129, tgkill 234 131, prctl 157 167, clone3 435 435,
    prlimit64 302 261, clone 56 220, socketpair 53 199, open 2 -, openat 257 56, stat 4 -,
    lstat 6 -, newfstatat 262 79, statx 332 291, access 21 -, faccessat 269 48, faccessat2 439 439,
    readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61, mkdir 83 -, mkdirat 258 34,
    unlink 87 -, unlinkat 263 35, rmdir 84 -, rename 82 -, renameat 264 38, renameat2 316 276,
    ftruncate 77 46, fallocate 285 47, fsync 74 82, fdatasync 75 83, flock 73 32, chdir 80 49,
    fchdir 81 50, dup 32 23, dup2 33 -, dup3 292 24, pipe 22 -, pipe2 293 59, eventfd2 290 19,
    select 23 -, pselect6 270 72, epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -,
    epoll_pwait 281 22, umask 95 166, symlink 88 -, symlinkat 266 36, statfs 137 43,
    fstatfs 138 44, sendto 44 206, recvfrom 45 207, shutdown 48 210, getsockopt 55 209,
    msync 26 227, mincore 27 232, fadvise64 221 223, copy_file_range 326 285, sendfile 40 71,
    getgroups 115 158, getsid 124 156, getpgrp 111 -, getpgid 121 155,
    chmod 90 -, fchmod 91 52, fchmodat 268 53, utime 132 -, utimes 235 -, utimensat 280 88,
    futimesat 261 -, chown 92 -, fchown 93 55, lchown 94 -, fchownat 260 54, setxattr 188 5,
    lsetxattr 189 6, fsetxattr 190 7, getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10,
    listxattr 194 11, llistxattr 195 12, flistxattr 196 13, removexattr 197 14,
    lremovexattr 198 15, fremovexattr 199 16
"""
NUMBERS: dict[str, tuple[int | None, ...]] = {
    name: tuple(None if number == "-" else int(number) for number in numbers)
    for name, *numbers in map(str.split, _TABLE.split(","))
}
"""Numbers of the system calls on x86-64 and aarch64, from the kernel's headers; None where there is
no such call. A test compares them with the headers of the machine it runs on."""

_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16
_X32_BIT = 0x4000_0000
_SECCOMP_MODE_FILTER = 2


Instruction = tuple[int, int, int, int]
"""code, jump if true, jump if false, constant."""
_REFUSE: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)

_REFUSED = {
    # Its flags lie in memory, out of a filter's sight; without it libc takes clone.
    "clone3": errno.ENOSYS,
    **dict.fromkeys(PRETENDED, 0),
    **dict.fromkeys(ATTRIBUTES, errno.ENOTSUP),
}
"""Calls that are answered without being made; 0 is success."""
_O_ACCMODE, _O_TRUNC = 0o3, 0o1000
_CLONE_THREAD, _CLONE_NEW_ANYTHING = 0x1_0000, 0x7E02_0080


def _rules(pid: int) -> Mapping[str, list[Instruction]]:
    """What is allowed with certain arguments only: instructions that fall through when it is, and
    refuse otherwise. `pid` is the process itself."""
    return {
        # A SIGKILL that the trusted side did not send then always means that the system did.
        "kill": [*_one_of(0, pid), *_none_of(1, 9)],
        "tgkill": [*_one_of(0, pid), *_none_of(2, 9)],
        # Limits can be read only: lowering its own, a process could die as if the system ended it.
        "prlimit64": [*_one_of(0, 0, pid), *_null(2)],
        "clone": _bits(0, _CLONE_THREAD | _CLONE_NEW_ANYTHING, _CLONE_THREAD),
        # Opened for reading only, a file can be emptied, which Landlock before Linux 6.2 allows.
        "open": _not_bits(1, _O_TRUNC | _O_ACCMODE, _O_TRUNC),
        "openat": _not_bits(2, _O_TRUNC | _O_ACCMODE, _O_TRUNC),
        "socketpair": _one_of(0, 1),  # AF_UNIX
        "prctl": _one_of(0, 15, 16),  # PR_SET_NAME, PR_GET_NAME
        # TCGETS (isatty), TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
        "ioctl": _one_of(1, 0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451),
        "fcntl": _none_of(1, 8, 10, 15),  # F_SETOWN, F_SETSIG, F_SETOWN_EX aim signals
    }


def _one_of(argument: int, *values: int) -> list[Instruction]:
    """The argument's low 32 bits are one of these; each match jumps over the rest."""
    tests = [(_JUMP_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)]
    return [_load(argument), *tests, _REFUSE]


def _none_of(argument: int, *values: int) -> list[Instruction]:
    tests = [step for value in values for step in ((_JUMP_EQUAL, 0, 1, value), _REFUSE)]
    return [_load(argument), *tests]


def _bits(argument: int, mask: int, value: int) -> list[Instruction]:
    """The argument's low 32 bits under `mask` equal `value`."""
    return [_load(argument), (_AND, 0, 0, mask), (_JUMP_EQUAL, 1, 0, value), _REFUSE]


def _not_bits(argument: int, mask: int, value: int) -> list[Instruction]:
    return [_load(argument), (_AND, 0, 0, mask), (_JUMP_EQUAL, 0, 1, value), _REFUSE]


def _null(argument: int) -> list[Instruction]:
    """The argument is a null pointer: both of its halves are zero."""
    zero = [(_JUMP_EQUAL, 1, 0, 0), _REFUSE]
    return [_load(argument), *zero, _load(argument, 4), *zero]


def _load(argument: int, offset: int = 0) -> Instruction:
    return (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument + offset)


def install(allowed: frozenset[str]) -> None:
    """Filter the system calls of this process and its future threads, for good. Raises OSError."""
    instructions = program(allowed, os.getpid(), platform.machine())
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    header = struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(buffer))
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header))


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
        _REFUSE,
    ]
    for name in sorted(allowed):
        number = NUMBERS[name][column]
        if number is None:
            continue
        if name in _REFUSED:
            verdict = [(_RETURN, 0, 0, _ERRNO | _REFUSED[name])]
        else:
            verdict = [*rules.get(name, ()), (_RETURN, 0, 0, _ALLOW)]
        found += [(_JUMP_EQUAL, 0, len(verdict), number), *verdict]
    return [*found, _REFUSE]
