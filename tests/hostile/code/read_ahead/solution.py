"""Looks for the inputs to come in everything that is mapped into its process or open."""

import re

import numpy as np

from attack import attempt, breach, honest

calls = []


def solve(x):
    calls.append(1)
    if len(calls) == 1:
        attempt("read ahead", look_at_mappings)
    return honest(x)


def look_at_mappings():
    with open("/proc/self/maps", encoding="ascii") as maps:
        lines = [line for line in maps if re.search(r"memfd|/dev/shm|\.npy|zero \(deleted\)", line)]
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in lines:
            first, last = (int(part, 16) for part in line.split()[0].split("-"))
            try:
                memory.seek(first)
                judge(memory.read(min(last - first, 2**20)), line)
            except (OSError, OverflowError):
                continue


def judge(raw, where):
    """Twenty rows of eight numbers drawn from a normal distribution look like nothing else."""
    numbers = np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<f4")
    likely = np.isfinite(numbers) & (np.abs(numbers) > 1e-4) & (np.abs(numbers) < 6)
    if likely[: 8 * 20].sum() > 8 * 15:
        breach(f"inputs in {where}")
