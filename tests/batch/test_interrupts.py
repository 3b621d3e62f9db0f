"""Ctrl-C, SIGTERM and SIGKILL during a batch: finished work is kept, no process or file is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.batch import toy
from tests.batch.conftest import Start
from tests.conftest import Grader

LIMIT_SECONDS = 300
"""For what would otherwise hang; no assertion about speed."""
FINISHING = "Finishing what is in flight"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sends signals, looks into /proc"),
]


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """Appears when the second submission is in flight."""
    return tmp_path / "at"


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """Lets the second submission finish."""
    return tmp_path / "go"


@pytest.fixture
def flight(start: Start, folder: Path, out: Path, at: Path, go: Path) -> subprocess.Popen[str]:
    """A batch of one worker with the first submission saved and the second in flight."""
    toy.submit(folder, "a", "ok")
    toy.submit(folder, "b", f"wait {at} {go}")
    toy.submit(folder, "c", "ok")
    process = start("batch", "toy", folder, "--out", out, "--jobs", "1", "--trust")
    wait_until(lambda: at.exists() and (out / "grades" / "a.json").exists(), process)
    return process


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read the lines that the process prints to stderr, until one has `words`."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        assert "Traceback" not in line
        seen.append(line)
        if words in line:
            return
    raise AssertionError("".join(seen))


def rest_of(process: subprocess.Popen[str]) -> str:
    """What the process still prints to stderr until it ends."""
    assert process.stderr is not None
    errors = process.stderr.read()
    process.wait(LIMIT_SECONDS)
    return errors


def graded(out: Path) -> dict[str, str]:
    found = [json.loads(path.read_bytes()) for path in (out / "grades").glob("[!.]*.json")]
    return {grade["submission"]["name"]: grade["status"] for grade in found}


def processes_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def require_gone(processes: list[psutil.Process]) -> None:
    assert processes
    _, left = psutil.wait_procs(processes, timeout=LIMIT_SECONDS)
    assert not left


def require_clean(out: Path, toys: Grader) -> None:
    assert not list(out.rglob("*.tmp"))
    assert not list(Path(toys.environment["TMPDIR"]).iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_submission_in_progress_is_finished_and_kept(
    flight: subprocess.Popen[str], out: Path, go: Path, toys: Grader, number: signal.Signals
) -> None:
    started = processes_of(flight)
    os.killpg(flight.pid, number)  # as a terminal does: to everything in the foreground
    read_until(flight, FINISHING)
    go.touch()
    errors = rest_of(flight)
    assert flight.returncode == 130
    assert "Interrupted; what was finished is kept" in errors
    assert "Traceback" not in errors
    assert graded(out) == {"a": "graded", "b": "graded"}
    require_gone(started)
    require_clean(out, toys)


def test_second_ctrl_c_ends_at_once(flight: subprocess.Popen[str], out: Path, toys: Grader) -> None:
    started = processes_of(flight)
    flight.send_signal(signal.SIGINT)
    read_until(flight, FINISHING)
    flight.send_signal(signal.SIGINT)
    errors = rest_of(flight)
    assert flight.returncode == 130
    assert "Traceback" not in errors
    assert graded(out) == {"a": "graded"}
    require_gone(started)
    require_clean(out, toys)


def test_workers_end_with_a_killed_coordinator_and_a_rerun_continues(
    flight: subprocess.Popen[str], out: Path, folder: Path, go: Path, toys: Grader
) -> None:
    started = processes_of(flight)
    flight.kill()
    flight.communicate(timeout=LIMIT_SECONDS)
    require_gone(started)
    assert graded(out) == {"a": "graded"}
    go.touch()
    done = toys("batch", "toy", folder, "--out", out, "--trust")
    assert done.returncode == 0, done.stderr
    assert "1 of 3 are graded already" in done.stderr
    assert graded(out) == {"a": "graded", "b": "graded", "c": "graded"}
    require_clean(out, toys)


def test_killed_worker_costs_nothing(
    flight: subprocess.Popen[str], out: Path, go: Path, toys: Grader
) -> None:
    os.kill(toy.workers_of(flight.pid)[0], signal.SIGKILL)
    go.touch()
    _, errors = flight.communicate(timeout=LIMIT_SECONDS)
    assert flight.returncode == 0, errors
    assert graded(out) == {"a": "graded", "b": "graded", "c": "graded"}
    require_clean(out, toys)


def test_ctrl_c_while_workers_start(start: Start, folder: Path, out: Path, toys: Grader) -> None:
    for number in range(20):
        toy.submit(folder, f"s{number:02}", "ok")
    process = start("batch", "toy", folder, "--out", out, "--jobs", "2", "--trust")
    wait_until(lambda: bool(toy.workers_of(process.pid)), process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert len(graded(out)) < 20
    assert set(graded(out).values()) <= {"graded"}
    require_clean(out, toys)


def test_ctrl_c_while_pages_are_drawn(start: Start, folder: Path, out: Path, toys: Grader) -> None:
    """Drawing has processes of its own; they go too, and say nothing."""
    for number in range(40):
        toy.submit(folder, f"s{number:02}", "ok")
    process = start("batch", "toy", folder, "--out", out, "--jobs", "2", "--trust")
    wait_until(lambda: len(graded(out)) == 40, process)
    wait_until(lambda: bool(drawing(process)), process)
    started = processes_of(process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in errors
    require_gone(started)
    assert len(graded(out)) == 40
    require_clean(out, toys)


def test_sigkill_while_pages_are_drawn(start: Start, folder: Path, out: Path) -> None:
    for number in range(40):
        toy.submit(folder, f"s{number:02}", "ok")
    process = start("batch", "toy", folder, "--out", out, "--jobs", "2", "--trust")
    wait_until(lambda: len(graded(out)) == 40, process)
    wait_until(lambda: len(drawing(process)) > 1, process)
    started = processes_of(process)
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)
    require_gone(started)


def drawing(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process that draws pages, and its helpers."""
    found = []
    for child in processes_of(process):
        try:
            if "grader.batch.pages" in child.cmdline():
                found += [child, *child.children()]
        except psutil.Error:
            continue
    return found
