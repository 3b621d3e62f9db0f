"""Limits that are watched from outside, on a child that nothing else confines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped, raise_if_stopped
from grader.sandbox.isolation.watch import WatchedProcess


def watched(code: str, folder: Path, memory_bytes: int = 2**30) -> WatchedProcess:
    limits = RunLimits(wall_seconds=300.0, memory_bytes=memory_bytes, log_bytes=1000)
    command = [sys.executable, "-c", code]
    return WatchedProcess(command, env=dict(os.environ), cwd=folder, limits=limits)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_crash_names_its_signal(tmp_path: Path) -> None:
    child = watched("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", tmp_path)
    with pytest.raises(Stopped, match="SIGSEGV") as caught:
        raise_if_stopped(child.finish(), RunLimits(), "model")
    assert caught.value.status is Status.CRASHED


def test_child_that_floods_its_log_is_stopped_and_the_log_is_bounded(tmp_path: Path) -> None:
    child = watched("import sys\nwhile True: sys.stderr.write('x' * 1000)", tmp_path)
    ended = child.finish()
    assert ended.killed == "output"
    assert len(ended.log) == 1000


def test_child_that_takes_memory_is_stopped_from_outside(tmp_path: Path) -> None:
    child = watched(
        "import time\nx = b'1' * (300 * 2**20)\ntime.sleep(300)",
        tmp_path,
        memory_bytes=200 * 2**20,
    )
    assert child.finish().killed == "memory"
