"""`grader batch --slurm` through a real Slurm on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Grades, grades_in
from tests.cluster.processes import missing_for_slurm, process, slurm, slurm_says, wait_until
from tests.cluster.test_dask import batch, some_are_graded
from tests.conftest import Grader

pytestmark = pytest.mark.slow
pytest.importorskip("dask_jobqueue", reason="pip install 'small-fast-nets[cluster]'")

ONE_CORE = ("--slurm-cores", "1", "--slurm-memory", "2GB")


@pytest.fixture(scope="module")
def reach() -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find it."""
    if missing := missing_for_slurm():
        pytest.skip(missing)
    with slurm() as environment:
        yield environment


def test_jobs_grade_what_one_machine_grades_and_a_lost_one_is_replaced(
    reach: dict[str, str], grader: Grader, submissions: Path, local: Grades, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    command = batch(submissions, out, "--slurm", "--slurm-partition", "class", *ONE_CORE)
    environment = (
        grader.environment | reach | {"DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "2s"}
    )
    with process(command, log, env=environment) as running:
        wait_until(lambda: some_are_graded(out), "the first grades")
        assert len(slurm_says(reach, "squeue", "-h", "--name=grader").splitlines()) == 1
        slurm_says(reach, "scancel", "--name=grader")
        assert running.wait(300) == 1, log.read_text("utf-8")  # some are below the gate
    assert grades_in(out) == local
    assert "Traceback" not in log.read_text("utf-8")
    assert not slurm_says(reach, "squeue", "-h", "--states=PENDING,RUNNING").strip()
    left = [path.name for path in (out / "slurm").iterdir() if not path.name.startswith("grader-")]
    assert not left, "keys must not stay"


def test_options_that_slurm_rejects_are_reported_at_once(
    reach: dict[str, str], grader: Grader, submissions: Path, tmp_path: Path
) -> None:
    options = batch(submissions, tmp_path / "out", "--slurm", "--slurm-partition", "nowhere")[4:]
    done = grader(*options, **reach)
    assert done.returncode == 2
    assert "Slurm does not take the jobs" in done.stderr
    assert "nvalid partition" in done.stderr


def test_jobs_that_end_without_a_worker_end_the_batch(
    reach: dict[str, str], grader: Grader, submissions: Path, tmp_path: Path
) -> None:
    options = batch(submissions, tmp_path / "out", "--slurm", *ONE_CORE)[4:]
    done = grader(*options, **reach, DASK_JOBQUEUE__SLURM__PYTHON="/nonexistent/python")
    assert done.returncode == 3
    assert f"logs in {tmp_path / 'out' / 'slurm'}" in done.stderr
    [log] = (tmp_path / "out" / "slurm").glob("*.err")
    assert "/nonexistent/python" in log.read_text("utf-8")
