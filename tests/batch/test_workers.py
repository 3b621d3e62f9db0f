"""Worker processes: isolated from each other, limited, and replaced when they die or grow."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import batch
from grader.batch import worker_pool
from grader.batch.worker_pool import (
    PersistentWorker,
    Worker,
    WorkerDied,
    WorkerProtocolError,
    WorkerTimedOut,
)
from grader.grading import Examination
from grader.intake import Candidate
from grader.text.errors import Fault
from tests.batch import toy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "place"
    path.mkdir()
    return path


@pytest.fixture
def file(examination: Examination, tmp_path: Path) -> Path:
    return toy.written(examination, tmp_path)


@pytest.fixture
def worker(file: Path, place: Path) -> Iterator[Worker]:
    one = Worker("toy", file, place)
    yield one
    one.kill()
    one.close()


@pytest.fixture
def persistent(examination: Examination, file: Path, place: Path) -> Iterator[PersistentWorker]:
    one = PersistentWorker(examination, file, place)
    yield one
    one.close()


def candidate(folder: Path, name: str, act: str) -> Candidate:
    return Candidate(name, toy.submit(folder, name, act))


def pid_of(persistent: PersistentWorker) -> int:
    (pid,) = toy.workers_of(os.getpid())
    return pid


def status_of(persistent: PersistentWorker, one: Candidate) -> str:
    return str(persistent.grade(one).grade.status)


def test_worker_is_isolated_limited_and_has_no_secret(
    worker: Worker,
    folder: Path,
    tmp_path: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
) -> None:
    worker.wait_until_ready()
    monkeypatch.setenv("GRADER_HIDDEN_SEED", "secret")
    with (tmp_path / "other").open("w"):
        second = Worker("toy", file, place)
        second.wait_until_ready()
        second.grade(candidate(folder, "ada", f"look {tmp_path / 'seen'}"), 300)
        second.close()
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["threads"] == 2  # one grades, one notices that stdin closes
    assert seen["memory"] == 4 * 2**30
    assert seen["session"]
    assert Path(seen["cwd"]).is_relative_to(place)
    assert Path(seen["tmp"]).is_relative_to(place)
    assert "" not in seen["path"]
    assert seen["cwd"] not in seen["path"]
    assert "secret" not in seen["environment"].values()
    own = {one for one in seen["fds"] if not one.startswith("/dev/null")}
    channels = {one for one in own if one.startswith(("pipe:", "socket:"))}
    assert all(Path(one).is_relative_to(place) for one in own - channels), own
    assert not channels & set(toy.open_files(worker.pid))


def test_what_libraries_print_is_not_an_answer(worker: Worker, folder: Path) -> None:
    worker.wait_until_ready()
    outcome = worker.grade(candidate(folder, "ada", "print"), 300)
    assert outcome.grade.score == 1.0
    assert worker.grade(candidate(folder, "bob", "ok"), 300).grade.submission.name == "bob"


def test_folder_of_a_killed_worker_is_removed(worker: Worker, folder: Path, place: Path) -> None:
    worker.wait_until_ready()
    with pytest.raises(WorkerDied) as died:
        worker.grade(candidate(folder, "ada", "litter"), 300)
    assert died.value.code == -signal.SIGKILL
    assert list(place.rglob("litter-*"))
    worker.close()
    assert not list(place.iterdir())


def test_worker_that_takes_too_long_is_killed(worker: Worker, folder: Path, tmp_path: Path) -> None:
    worker.wait_until_ready()
    with pytest.raises(WorkerTimedOut):
        worker.grade(candidate(folder, "ada", f"wait {tmp_path / 'at'} {tmp_path / 'never'}"), 1)
    assert not worker.alive


def test_worker_that_breaks_the_protocol_is_killed(worker: Worker, folder: Path) -> None:
    worker.wait_until_ready()
    with pytest.raises(WorkerProtocolError):
        worker.grade(candidate(folder, "ada", "garbage"), 300)
    assert not worker.alive


def test_worker_ends_when_its_stdin_closes_during_grading(
    worker: Worker, folder: Path, tmp_path: Path
) -> None:
    worker.wait_until_ready()
    act = f"wait {tmp_path / 'at'} {tmp_path / 'never'}"
    request = {"path": str(toy.submit(folder, "ada", act)), "name": "ada"}
    worker._requests.write(json.dumps(request).encode() + b"\n")
    worker._requests.flush()
    wait_for(tmp_path / "at")
    worker._requests.close()  # as the kernel does when the parent dies
    assert worker._process.wait(300) == 0


def test_worker_killed_idle_is_replaced(persistent: PersistentWorker, folder: Path) -> None:
    assert status_of(persistent, candidate(folder, "ada", "ok")) == "graded"
    pid = pid_of(persistent)
    os.kill(pid, signal.SIGKILL)
    assert status_of(persistent, candidate(folder, "bob", "ok")) == "graded"
    assert pid_of(persistent) != pid


def test_submission_whose_worker_dies_is_tried_once_more(
    persistent: PersistentWorker, folder: Path, tmp_path: Path
) -> None:
    once = candidate(folder, "once", f"die-once {tmp_path / 'mark'}")
    assert status_of(persistent, once) == "graded"
    always = persistent.grade(candidate(folder, "always", "abort"))
    assert always.grade.status == "crashed"
    assert always.fault == ""
    for sentence in (always.grade.reason.to("en"), always.grade.reason.to("ru")):
        assert "SIGABRT" in sentence
    assert len(always.grade.submission.fingerprint) == 64
    assert status_of(persistent, candidate(folder, "next", "ok")) == "graded"


def test_a_worker_that_the_system_kills_costs_no_points(
    persistent: PersistentWorker, folder: Path
) -> None:
    killed = persistent.grade(candidate(folder, "killed", "die"))
    assert killed.grade.status == "grader_fault"  # which the next run of the batch grades again
    assert "--jobs" in killed.grade.reason.to("en")
    assert "--jobs" in killed.grade.reason.to("ru")


def test_broken_protocol_is_a_grader_fault(persistent: PersistentWorker, folder: Path) -> None:
    outcome = persistent.grade(candidate(folder, "ada", "garbage"))
    assert outcome.grade.status == "grader_fault"
    assert "WorkerProtocolError" in outcome.fault
    assert status_of(persistent, candidate(folder, "bob", "ok")) == "graded"


def test_measurement_that_is_not_a_number_is_a_grader_fault(
    persistent: PersistentWorker, folder: Path
) -> None:
    outcome = persistent.grade(candidate(folder, "ada", "nan"))
    assert outcome.grade.status == "grader_fault"
    assert "Traceback" in outcome.fault


def test_submission_that_vanished_is_a_grader_fault(
    persistent: PersistentWorker, folder: Path
) -> None:
    outcome = persistent.grade(Candidate("ada", folder / "gone"))
    assert outcome.grade.status == "grader_fault"
    assert status_of(persistent, candidate(folder, "bob", "ok")) == "graded"


def test_worker_that_grew_is_replaced(persistent: PersistentWorker, folder: Path) -> None:
    assert status_of(persistent, candidate(folder, "ada", "grow")) == "graded"
    pid = pid_of(persistent)
    assert status_of(persistent, candidate(folder, "bob", "ok")) == "graded"
    assert pid_of(persistent) != pid


def test_worker_is_replaced_after_max_graded(
    persistent: PersistentWorker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "MAX_GRADED", 2)
    seen = []
    for number in range(5):
        status_of(persistent, candidate(folder, f"s{number}", "ok"))
        seen.append(pid_of(persistent))
    assert [seen.count(pid) for pid in dict.fromkeys(seen)] == [2, 2, 1]


def test_slow_submission_in_a_pool_times_out_and_the_rest_is_graded(
    examination: Examination, folder: Path, tmp_path: Path
) -> None:
    class_ = [
        candidate(folder, "slow", f"wait {tmp_path / 'at'} {tmp_path / 'never'}"),
        *(candidate(folder, f"s{number}", "ok") for number in range(3)),
    ]
    found: dict[str, str] = {}
    batch.run(
        examination,
        class_,
        jobs=2,
        on_grade=lambda outcome: found.update(
            {outcome.grade.submission.name: outcome.grade.status}
        ),
        hold_seconds=8.0,
    )
    assert found == {"slow": "timed_out", "s0": "graded", "s1": "graded", "s2": "graded"}


def test_workers_that_cannot_start_end_the_batch_with_a_sentence(
    examination: Examination, folder: Path, toy_course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(Fault, match=r"Worker processes do not start .*`grader doctor`"):
        batch.run(examination, [candidate(folder, "ada", "ok")], jobs=2, on_grade=print)


def test_worker_killed_while_its_replacement_cannot_start(
    examination: Examination, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was finished is kept, and the batch ends instead of waiting."""
    class_ = [
        candidate(folder, "first", "ok"),
        candidate(folder, "second", f"wait {tmp_path / 'at'} {tmp_path / 'never'}"),
        candidate(folder, "third", "ok"),
    ]
    finished = []

    def kill() -> None:
        wait_for(tmp_path / "at")
        monkeypatch.setenv("PYTHONHOME", "/nowhere")
        os.kill(toy.workers_of(os.getpid())[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(Fault, match="do not start"):
        batch.run(examination, class_, jobs=1, on_grade=finished.append)
    killer.join()
    assert [outcome.grade.submission.name for outcome in finished] == ["first"]
    assert not toy.workers_of(os.getpid())


def test_nothing_is_left_when_saving_fails(examination: Examination, folder: Path) -> None:
    def refuse(outcome: batch.Outcome) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        batch.run(
            examination,
            [candidate(folder, f"s{number}", "ok") for number in range(6)],
            jobs=2,
            on_grade=refuse,
        )
    assert not toy.workers_of(os.getpid())


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)
