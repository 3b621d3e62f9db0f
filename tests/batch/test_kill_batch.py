"""The benchmark that kills a batch again and again, on a smaller class."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="adopts orphans, which only Linux can")
def test_batch_killed_at_random_moments_equals_an_undisturbed_one(
    repository: Path, cache: Path
) -> None:
    # In a process of its own: it waits until none below it lives, and tests have theirs.
    done = subprocess.run(
        [sys.executable, repository / "benchmarks" / "kill_batch.py", "--submissions", "30",
         "--kills", "6", "--cache", cache],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\nkilled 6 times" in done.stdout
