"""Levels are found by trying, and the tries can fail."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from grader.sandbox.isolation import levels
from grader.text.errors import UsageError
from tests.conftest import Grader

EVERYTHING = {
    "environment", "files", "network", "processes", "programs", "signals", "writing",
}  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="levels A to C are Linux's")


def test_a_child_that_nothing_confines_reaches_everything_that_is_tried() -> None:
    """Otherwise the refusals at A and B would mean nothing."""
    assert levels._reached("C", "nothing") == EVERYTHING


def test_bubblewrap_alone_keeps_the_host_out_of_sight(closed_level: str) -> None:
    if closed_level == "A":
        assert levels._reached("A", "nothing") == {"processes", "programs"}


@pytest.mark.parametrize("confine", ["code", "compute"])
def test_a_confined_child_reaches_nothing(closed_level: str, confine: levels.Confine) -> None:
    assert levels._reached(closed_level, confine) == set()  # type: ignore[arg-type]


def test_other_peoples_work_needs_level_b_or_trust(level: str) -> None:
    if level in "AB":
        levels.require_for_others(trust=False)
        return
    with pytest.raises(UsageError, match=f"level {level}.*--trust"):
        levels.require_for_others(trust=False)
    levels.require_for_others(trust=True)


def test_an_unknown_level_is_refused(grader: Grader) -> None:
    done = grader("doctor", GRADER_ISOLATION="Z")
    assert "must be A, B, C or D" in done.stdout
    assert done.returncode == 3


def test_doctor_names_the_level_and_what_keeps_it_from_the_next(grader: Grader) -> None:
    found = {
        finding["name"]: finding
        for finding in json.loads(grader("doctor", "--json", "--lang", "en").stdout)
    }["isolation"]
    assert found["found"].startswith("level ")
    if not found["found"].startswith("level A"):
        assert found["remedy"]


def test_without_bubblewrap_the_level_is_b_and_doctor_says_how_to_get_a(
    grader: Grader, tmp_path: Path
) -> None:
    if not levels.current_level().level <= "B":
        pytest.skip("neither level A nor B here")
    done = grader("doctor", "--lang", "en", PATH=str(tmp_path))
    assert "level B" in done.stdout
    assert "apt install bubblewrap" in done.stdout


def forked_with(marker: str) -> list[str]:
    """Arguments of a warm process with the marker and of its children, which have the same."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            interpreter, *rest = process.cmdline() or [""]
            if interpreter == sys.executable and "-m" in rest and marker in " ".join(rest):
                found.append(" ".join(rest))
    return found


def test_nothing_is_left_when_the_process_that_grades_is_killed(closed_level: str) -> None:
    """Neither the warm process nor its child outlives us, even if we are given no time."""
    script = (
        "from grader.lesson.spec import RunLimits\n"
        "from grader.sandbox.runners.harness import Call, HarnessJob, run_harness\n"
        "harness = b'import time\\ndef answer(order, student): time.sleep(300)'\n"
        # A library that nothing else names marks the command line of the warm process.
        "job = HarnessJob({'sleep': harness}, {}, ('numpy', 'colorsys'))\n"
        "run_harness(job, [Call('sleep', {}, 300.0)], RunLimits())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as grading:
        assert wait_until(lambda: len(forked_with("colorsys")) >= 2)
        grading.kill()
    assert wait_until(lambda: not forked_with("colorsys"))


def wait_until(condition: Callable[[], object], seconds: float = 300.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
