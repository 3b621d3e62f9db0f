"""Copies a program into anonymous memory and executes that: no file is needed to run one."""

import os
import shutil

from attack import attempt, honest, syscall

AT_EMPTY_PATH = 0x1000
SCRIPT = b"echo BREACH: a program ran from memory >&2\0"


def from_memory():
    import ctypes

    fd = os.memfd_create("program")
    with open("/bin/sh", "rb") as source, os.fdopen(os.dup(fd), "wb") as target:
        shutil.copyfileobj(source, target)
    argv = (ctypes.c_char_p * 4)(b"sh", b"-c", SCRIPT, None)
    syscall("execveat", fd, b"", argv, None, AT_EMPTY_PATH)


attempt("execveat of a memfd", from_memory)
attempt("execve of a file of its own", lambda: os.execv("./known.json", ["known.json"]))


def solve(x):
    return honest(x)
