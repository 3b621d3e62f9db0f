"""The benchmark that kills a batch again and again, on a smaller class."""

from __future__ import annotations

import ctypes
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import kill_batch


@pytest.fixture
def _own_orphans() -> Iterator[None]:
    """What the benchmark asks of the kernel is taken back."""
    yield
    ctypes.CDLL(None).prctl(kill_batch._SUBREAPER, 0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="adopts orphans, which only Linux can")
@pytest.mark.usefixtures("_own_orphans")
def test_batch_killed_at_random_moments_equals_one_left_in_peace(
    tmp_path: Path, cache: Path
) -> None:
    bench = kill_batch.prepare(tmp_path, 30, 2, cache)
    figures = kill_batch.disturb(bench, tmp_path, 6, random.Random(0))
    assert figures.kills == 6
