"""The filter of system calls, on both architectures: run by an interpreter of BPF programs."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from grader.sandbox.isolation.seccomp import AUDIT_ARCH, CODE, COMPUTE, NUMBERS, program

ALLOW, KILL, EPERM, ENOSYS = (
    0x7FFF_0000,
    0x8000_0000,
    0x0005_0000 | errno.EPERM,
    0x0005_0000 | errno.ENOSYS,
)
PID = 4242
MACHINES = list(AUDIT_ARCH)


def verdict(
    name_or_number: str | int,
    *arguments: int,
    machine: str = "x86_64",
    allowed: frozenset[str] = CODE,
    arch: int | None = None,
) -> int:
    """What the kernel would do with one call (linux/filter.h)."""
    number = name_or_number
    if isinstance(number, str):
        found = NUMBERS[number][MACHINES.index(machine)]
        assert found is not None
        number = found
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack(
        "<IIQ6Q", number, arch or AUDIT_ARCH[machine], 0, *(a % 2**64 for a in padded)
    )
    code = program(allowed, PID, machine)
    at, register = 0, 0
    while True:
        operation, yes, no, constant = code[at]
        at += 1
        if operation == 0x20:
            (register,) = struct.unpack_from("<I", data, constant)
        elif operation == 0x54:
            register &= constant
        elif operation == 0x15:
            at += yes if register == constant else no
        elif operation == 0x35:
            at += yes if register >= constant else no
        elif operation == 0x06:
            return constant
        else:
            raise AssertionError(operation)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_program_fits_the_kernel_and_every_jump_lands_inside(machine: str) -> None:
    code = program(CODE, PID, machine)
    assert len(code) < 4096
    for place, (operation, yes, no, _) in enumerate(code):
        if operation in (0x15, 0x35):
            assert max(yes, no) < 256
            assert place + 1 + max(yes, no) < len(code)


@pytest.mark.parametrize("machine", MACHINES)
def test_arithmetic_is_allowed_and_paths_are_not(machine: str) -> None:
    for name in ("read", "write", "mmap", "futex", "exit_group", "pread64"):
        assert verdict(name, machine=machine, allowed=COMPUTE) == ALLOW
    for name in ("openat", "newfstatat", "readlinkat", "unlinkat", "clone"):
        assert verdict(name, machine=machine, allowed=COMPUTE) == EPERM
    assert verdict("openat", machine=machine) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_signals_go_to_oneself_only_and_are_never_sigkill(machine: str) -> None:
    assert verdict("kill", PID, 6, machine=machine) == ALLOW
    for target in (1, PID - 1, 0, -1, -PID):
        assert verdict("kill", target, 6, machine=machine) == EPERM
        assert verdict("tgkill", target, 1, 6, machine=machine) == EPERM
    assert verdict("kill", PID, 9, machine=machine) == EPERM
    assert verdict("tgkill", PID, 7, 9, machine=machine) == EPERM
    assert verdict("tgkill", PID, 9, 6, machine=machine) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_can_be_made_and_processes_and_namespaces_cannot(machine: str) -> None:
    thread = 0x003D_0F00  # what pthread_create asks for
    assert verdict("clone", thread, machine=machine) == ALLOW
    assert verdict("clone", 17, machine=machine) == EPERM  # fork: SIGCHLD
    assert verdict("clone", 0x4111, machine=machine) == EPERM  # vfork
    for namespace in (0x0002_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x80):
        assert verdict("clone", thread | namespace, machine=machine) == EPERM
    assert verdict("clone3", machine=machine) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_can_be_read_and_not_set(machine: str) -> None:
    assert verdict("prlimit64", 0, 0, 0, 0x7F00, machine=machine) == ALLOW
    for pointer in (0x7F00, 0x1_0000_0000):
        assert verdict("prlimit64", 0, 0, pointer, machine=machine) == EPERM
    assert verdict("prlimit64", 1, 0, 0, machine=machine) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_a_file_is_emptied_only_by_who_may_write_it(machine: str) -> None:
    """Landlock judges the right to write; before version 3 it does not see O_TRUNC."""
    read, write, empty = 0, 1, 0o1000
    assert verdict("openat", 0, 0, read, machine=machine) == ALLOW
    assert verdict("openat", 0, 0, write | empty, machine=machine) == ALLOW
    assert verdict("openat", 0, 0, read | empty, machine=machine) == EPERM


def test_another_architecture_kills_and_the_x32_numbers_are_refused() -> None:
    assert verdict("read", arch=0x4000_0003) == KILL
    assert verdict(0x4000_0000) == EPERM


def test_what_nobody_named_is_refused() -> None:
    for number in (41, 57, 59, 101, 165, 272, 298, 321, 425, 10_000):
        assert verdict(number) == EPERM
    assert verdict("socketpair", 1) == ALLOW
    assert verdict("socketpair", 2) == EPERM
    assert verdict("ioctl", 0, 0x5412) == EPERM  # TIOCSTI types into a terminal


def test_numbers_are_those_of_the_kernel_headers() -> None:
    places = {
        "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "aarch64": "/usr/include/asm-generic/unistd.h",
    }
    compared = 0
    for column, machine in enumerate(MACHINES):
        path = Path(places[machine])
        if not path.exists():
            continue
        # On 64-bit machines the generic header renames a few: newfstatat is 3264_fstatat there.
        header = {
            name.replace("fstatat", "newfstatat") if wide and name == "fstatat" else name: int(
                number
            )
            for wide, name, number in re.findall(
                r"#define __NR(3264)?_(\w+) (\d+)", path.read_text(encoding="utf-8")
            )
        }
        for name, numbers in NUMBERS.items():
            if numbers[column] is not None:
                assert header[name] == numbers[column], (machine, name)
                compared += 1
    if not compared:
        pytest.skip("no kernel headers here")
