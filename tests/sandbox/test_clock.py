"""What an answer cost: time on a core, whatever else keeps the child waiting."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.program import Program, timed
from grader.sandbox.isolation.start import start
from grader.sandbox.runners.child.function import pack

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the kernel does not tell time on a core"
)

SOURCE = b"""
import time

def answer(x):
    if x[0] == 0:
        time.sleep(1.0)
    else:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    return x
"""


def test_sleeping_costs_nothing_and_computing_costs_what_it_takes() -> None:
    order = {"module": "m", "function": "answer", "calls": 2, "in_shape": [1], "out_shape": [1]}
    program = Program(
        task="function",
        order=order,
        confine="code",
        libraries=("numpy",),
        blobs=[pack({"m.py": SOURCE})],
        limits=RunLimits(),
    )
    child = start(program)
    seconds = []
    try:
        for number in (0, 1):
            child.send(np.full(1, number, "<f4").tobytes())
            answer, spent = timed(child, lambda: child.receive(4))
            assert np.frombuffer(answer, "<f4")[0] == number
            seconds.append(spent)
        child.finish()
    finally:
        child.close()
    assert seconds[0] < 0.15  # the import included
    assert seconds[1] >= 0.19
