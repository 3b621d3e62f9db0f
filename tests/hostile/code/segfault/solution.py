"""Reads address 0: a crash with its signal."""

import ctypes


def solve(x):
    return ctypes.string_at(0)
