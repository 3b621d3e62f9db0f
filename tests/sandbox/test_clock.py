"""What an answer costs: time on a core, without the time that the child waits."""

from __future__ import annotations

import json
import sys
from functools import partial

import pytest

from grader.sandbox.isolation.levels import start
from grader.sandbox.isolation.process import Child, Program, timed
from grader.sandbox.isolation.task import pack
from grader.sandbox.runners.child.harness import HEADER, LENGTH

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the kernel does not tell time on a core"
)

HARNESS = b"""
import time

def answer(order, student):
    time.sleep(order["sleep"])
    end = time.process_time() + order["compute"]
    while time.process_time() < end:
        pass
    return 0
"""


def ask(child: Child, sleep: float, compute: float) -> bytes:
    order = json.dumps({"sleep": sleep, "compute": compute}).encode()
    child.send(LENGTH.pack(len(order)) + order)
    return child.receive(HEADER.unpack(child.receive(HEADER.size))[1])


def test_sleeping_costs_nothing_and_computing_costs_what_it_takes(closed_level: str) -> None:
    child = start(
        Program(
            task="harness",
            order={},
            confine="code",
            blobs=[pack({}), pack({"asking": HARNESS})],
        )
    )
    try:
        ask(child, 0, 0)  # what is loaded with the first answer belongs to no other
        _, sleeping = timed(child, partial(ask, child, 1.0, 0))
        _, computing = timed(child, partial(ask, child, 0, 0.2))
    finally:
        child.close()
    # Processor time does not depend on what else the machine does.
    assert sleeping < 0.5
    assert computing >= 0.19
