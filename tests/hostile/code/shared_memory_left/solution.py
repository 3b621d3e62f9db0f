"""Leaves shared memory, semaphores and queues, which belong to no process and outlive all."""

import ctypes
import os

from attack import attempt, honest

libc = ctypes.CDLL(None, use_errno=True)
KEY = 0x1EF7BE41  # the test looks for it


def make(function, *arguments):
    """No breach by itself: in a namespace of its own it vanishes with the run. The test looks."""
    if getattr(libc, function)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), function)


attempt("shmget", lambda: make("shmget", KEY, 4096, 0o1666))
attempt("semget", lambda: make("semget", KEY, 1, 0o1666))
attempt("msgget", lambda: make("msgget", KEY, 0o1666))
attempt("a file in /dev/shm", lambda: os.close(os.open("/dev/shm/left-behind", os.O_CREAT)))


def solve(x):
    return honest(x)
