"""A Dask cluster of real processes grades what one machine grades, whatever dies meanwhile."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.conftest import Grades, grades_in
from tests.cluster.processes import (
    Certificates,
    Dask,
    dask_cluster,
    interrupt,
    process,
    wait_until,
)
from tests.conftest import Grader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="kills by POSIX signals"),
]
pytest.importorskip("distributed", reason="pip install 'small-fast-nets[cluster]'")

GRADES_FIRST = 4
EXAMINE = '    model = submission.read("model.onnx")\n'


@pytest.fixture(scope="module")
def cluster(
    grader: Grader, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dask]:
    folder = tmp_path_factory.mktemp("dask")
    with dask_cluster(folder, certificates, grader.environment) as started:
        yield started


def batch(submissions: Path, out: Path, *options: str) -> list[str]:
    command = [sys.executable, "-P", "-m", "grader", "batch", "distillation", str(submissions)]
    return [*command, "--out", str(out), *options]


def some_are_graded(out: Path) -> bool:
    return len(list((out / "grades").glob("*.json"))) >= GRADES_FIRST


def test_killed_worker_loses_nothing_and_changes_nothing(
    cluster: Dask, grader: Grader, submissions: Path, local: Grades, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    command = batch(submissions, out, *cluster.options)
    with process(command, log, env=grader.environment) as running:
        wait_until(lambda: some_are_graded(out), "the first grades")
        victim = psutil.Process(cluster.worker_pid(0))
        workers = victim.children(recursive=True)
        assert workers
        victim.send_signal(signal.SIGKILL)
        assert running.wait(300) == 1, log.read_text("utf-8")  # some are below the gate
    assert grades_in(out) == local
    assert "Traceback" not in log.read_text("utf-8")
    assert not any(worker.is_running() for worker in workers)


def test_interrupt_keeps_submissions_in_progress_and_leaves_no_process(
    cluster: Dask, grader: Grader, submissions: Path, local: Grades, tmp_path: Path
) -> None:
    folder, out, log = tmp_path / "some", tmp_path / "out", tmp_path / "log"
    expected = {name: grade for name, grade in local.items() if not name.endswith("-2")}
    shutil.copytree(submissions, folder, ignore=shutil.ignore_patterns("*-2", "*-2.zip"))
    command = batch(folder, out, *cluster.options)
    with process(command, log, env=grader.environment) as running:
        wait_until(lambda: some_are_graded(out), "the first grades")
        interrupt(running)
        assert running.wait(120) == 130, log.read_text("utf-8")
    kept = grades_in(out)
    assert GRADES_FIRST <= len(kept) < len(expected)
    for number in range(2):
        assert not psutil.Process(cluster.worker_pid(number)).children(recursive=True)
    again = subprocess.run(
        command, env=grader.environment, capture_output=True, text=True, check=False
    )
    assert f"{len(kept)} of {len(expected)} are graded already" in again.stderr
    assert grades_in(out) == expected


def test_submission_that_kills_workers_is_named_and_the_rest_is_graded(
    grader: Grader,
    certificates: Certificates,
    altered_course: Callable[[str, str], Path],
    small_course: Path,
    tmp_path: Path,
) -> None:
    # What a bug of ours, or of a library, could do to a machine; a submission itself cannot.
    course = altered_course(
        EXAMINE,
        EXAMINE + '    if submission.has("kill"):\n'
        "        import os, signal\n"
        "        os.kill(os.getppid(), signal.SIGKILL)\n",
    )
    folder = tmp_path / "submissions"
    for number in range(8):
        shutil.copytree(
            small_course / "reference_solutions" / "distillation", folder / f"s{number}"
        )
    (folder / "s3" / "kill").touch()
    environment = grader.environment | {
        "GRADER_COURSE": str(course),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    with dask_cluster(tmp_path, certificates, environment) as cluster:
        command = batch(folder, tmp_path / "out", *cluster.options)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr  # one could not be graded
    statuses = {name: grade["status"] for name, grade in grades_in(tmp_path / "out").items()}
    assert statuses == {f"s{n}": "crashed" if n == 3 else "graded" for n in range(8)}
    reason = grades_in(tmp_path / "out")["s3"]["reason"]
    assert "ended 2 processes of the cluster" in reason["en"]
    assert reason["ru"] != reason["en"]


def test_worker_with_another_lesson_grades_nothing(
    cluster: Dask,
    grader: Grader,
    altered_course: Callable[[str, str], Path],
    submissions: Path,
    tmp_path: Path,
) -> None:
    course = altered_course(EXAMINE, EXAMINE + "    # edited\n")
    done = grader(
        *batch(submissions, tmp_path / "out", *cluster.options)[4:], GRADER_COURSE=str(course)
    )
    assert done.returncode == 3
    assert "would grade differently" in done.stderr
    assert "lesson" in done.stderr
    assert not grades_in(tmp_path / "out")


@pytest.mark.parametrize("hidden", ["submissions", "cache"])
def test_worker_that_does_not_share_the_disk_grades_nothing(
    hidden: str,
    grader: Grader,
    certificates: Certificates,
    submissions: Path,
    cache: Path,
    tmp_path: Path,
) -> None:
    """A worker for which the folder is an empty one, as on a machine without the share."""
    place = {"submissions": submissions, "cache": cache}[hidden]
    mount = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{place}" && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], check=False).returncode:
        pytest.skip("mounting in a namespace of one's own needs root")
    with dask_cluster(
        tmp_path, certificates, grader.environment, workers=1, prefix=mount
    ) as cluster:
        done = grader(*batch(submissions, tmp_path / "out", *cluster.options)[4:])
    assert done.returncode == 3, done.stderr
    assert f"does not see {place}" in done.stderr
    assert not grades_in(tmp_path / "out")


def test_certificate_of_another_authority_is_refused(
    cluster: Dask, grader: Grader, submissions: Path, tmp_path: Path
) -> None:
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stranger -keyout key.pem "
        "-out cert.pem && cp cert.pem ca.pem",
        shell=True,
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    strange = map(str, Certificates(tmp_path).options())
    done = grader(*batch(submissions, tmp_path / "out", "--dask", cluster.address, *strange)[4:])
    assert done.returncode == 2
    assert f"No Dask scheduler answers at {cluster.address}" in done.stderr
    assert "certificate" in done.stderr
