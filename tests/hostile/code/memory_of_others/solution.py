"""Reads and writes the memory of other processes: by system call and through /proc."""

import ctypes
import os

from attack import attempt, honest, others, syscall


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def first_mapping(pid):
    """Address of the first readable mapping, or our own first one (fork keeps addresses)."""
    for owner in (pid, os.getpid()):
        try:
            with open(f"/proc/{owner}/maps", encoding="ascii") as maps:
                return int(maps.readline().split("-")[0], 16)
        except OSError:
            continue
    return 0x400000


def copy(call, pid):
    room = ctypes.create_string_buffer(b"x" * 8, 8)
    ours = Vector(ctypes.addressof(room), 8)
    theirs = Vector(first_mapping(pid), 8)
    return syscall(call, pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) > 0


def through_proc(pid):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(first_mapping(pid))
        return memory.read(8)


for pid in others():
    attempt("process_vm_readv", lambda pid=pid: copy("process_vm_readv", pid))
    attempt("/proc/PID/mem", lambda pid=pid: through_proc(pid))


def solve(x):
    return honest(x)
