"""Kill a batch at random moments, run it again, and compare with a batch left in peace.

    python benchmarks/kill_batch.py [--submissions 200] [--kills 25] [--jobs 2] [--seed 0]

A class of good, bad and broken submissions, folders and archives, on few clips, is graded once
undisturbed. Then it is graded into another folder by a command that gets SIGKILL at random
moments, from its first breath to its last page; in some runs a random worker gets it before.
After every kill: no process of the batch lives, every grade on disk can be read, none is gone
and none was written anew. In the end: every grade is there once and equals the undisturbed one
but for what is timed, and no temporary file is left. Linux only; takes about five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from small import small_course

REPOSITORY = Path(__file__).resolve().parent.parent
LESSON = "distillation"
PATIENCE_SECONDS = 30.0
"""How long processes of a killed batch may take to see that it is gone."""
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)


class Broken(Exception):
    """A promise that was not kept."""


@dataclass
class Figures:
    submissions: int
    kills: int = 0
    workers_killed: int = 0
    undisturbed_seconds: float = 0.0
    runs: int = 0
    killed_before_grading: int = 0
    last_process_seconds: float = 0.0
    """The longest that any process outlived its batch."""
    graded_when_killed: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """Where everything lies, and how the command is started."""

    submissions: Path
    temporary: Path
    environment: dict[str, str]
    jobs: int

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "grader", "batch", LESSON, str(self.submissions)]
        command += ["--out", str(out), "--jobs", str(self.jobs), "--seed", "killed", "--trust"]
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.temporary.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def finish(self, out: Path) -> float:
        """Run undisturbed; seconds."""
        started = time.monotonic()
        process = self.start(out)
        _, errors = process.communicate(timeout=600)
        if process.returncode not in (0, 1) or b"Traceback" in errors:
            raise Broken(f"exit code {process.returncode}: {errors.decode()}{_ungraded(out)}")
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="where generated speech is kept, or will be")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-batch-") as folder:
        bench = prepare(Path(folder), arguments.submissions, arguments.jobs, arguments.cache)
        figures = disturb(bench, Path(folder), arguments.kills, random.Random(arguments.seed))
    print(as_text(figures))


def prepare(folder: Path, count: int, jobs: int, cache: Path | None = None) -> Bench:
    """A course with few clips and a class of `count` submissions, in `folder`."""
    course = small_course(folder / "course")
    for name in ("class", "tmp", "home"):
        (folder / name).mkdir()
    environment = {name: v for name, v in os.environ.items() if not name.startswith("GRADER_")}
    environment |= {
        "GRADER_COURSE": str(course),
        "GRADER_CACHE": str(cache or folder / "cache"),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": _search_path(),
    }
    make_class(folder / "class", course, count)
    return Bench(folder / "class", folder / "tmp", environment, jobs)


def make_class(folder: Path, course: Path, count: int) -> None:
    """Every kind in turn, each with a line of its own, so that no two are the same."""
    kinds = _kinds(folder.parent / "kinds", course)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        place = folder / f"{number:03d}-{kind.name}"
        if kind.is_file():
            place = place.with_name(f"{number:03d}-{kind.name}")
            shutil.copy(kind, place)
        else:
            shutil.copytree(kind, place)
            (place / "student.txt").write_text(f"student {number}\n", encoding="utf-8")


def disturb(bench: Bench, folder: Path, kills: int, chance: random.Random) -> Figures:
    """The undisturbed batch, the killed one, and the comparison. Raises Broken."""
    _adopt_orphans()
    expected, killed = folder / "undisturbed", folder / "killed"
    bench.finish(folder / "warm-up")  # makes the data
    figures = Figures(len(list(bench.submissions.iterdir())))
    began = time.time()
    figures.undisturbed_seconds = bench.finish(expected)
    first, last = _grading_time(expected, began)
    while figures.kills < kills:
        figures.runs += 1
        # Most while it grades, each a step further on average; some up to the last page.
        late = figures.undisturbed_seconds if chance.random() < 0.08 else 0.0
        moment = chance.uniform(0.0, late or first + 1.6 * (last - first) / kills)
        _one_run(bench, killed, moment, chance, figures)
    bench.finish(killed)
    figures.runs += 1
    _compare(expected, killed)
    _require_clean(bench, killed)
    return figures


def as_text(figures: Figures) -> str:
    return "\n".join(
        [
            f"{figures.submissions} submissions, {figures.undisturbed_seconds:.1f} s undisturbed",
            f"killed {figures.kills} times in {figures.runs} runs, and {figures.workers_killed} "
            f"workers before; {figures.killed_before_grading} kills came before the first grade",
            f"grades on disk when killed: {', '.join(map(str, figures.graded_when_killed))}",
            f"the last process of a killed batch ended after {figures.last_process_seconds:.2f} s",
            "every grade is there once and equals the undisturbed run; nothing is left behind",
        ]
    )


def _one_run(
    bench: Bench, out: Path, moment: float, chance: random.Random, figures: Figures
) -> None:
    before = _written(out)
    process = bench.start(out)
    deadline = time.monotonic() + moment
    if chance.random() < 0.4:
        time.sleep(moment * chance.uniform(0.8, 1.0))  # before that there is none
        figures.workers_killed += _kill_a_worker(process.pid, chance)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        figures.kills += 1
        figures.graded_when_killed.append(len(_written(out)))
        figures.killed_before_grading += not _written(out)
    process.wait()
    assert process.stderr is not None
    if b"Traceback" in process.stderr.read():
        raise Broken("a traceback was printed")
    process.stderr.close()
    figures.last_process_seconds = max(figures.last_process_seconds, _seconds_until_gone())
    after = _written(out)
    for name, written in before.items():
        if after.get(name) != written:
            raise Broken(f"{name} was there, and was lost or graded again")


def _grading_time(out: Path, began: float) -> tuple[float, float]:
    """Seconds from the start to the first grade and to the last."""
    written = [path.stat().st_mtime - began for path in (out / "grades").glob("*.json")]
    return min(written), max(written)


def _kill_a_worker(pid: int, chance: random.Random) -> int:
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(pid).children()
        workers = [child for child in children if "grader.batch.worker" in child.cmdline()]
        if workers:
            chance.choice(workers).kill()
            return 1
    return 0


def _written(out: Path) -> dict[str, int]:
    """When each grade was written. Raises Broken for half a grade."""
    found = {}
    for path in (out / "grades").glob("[!.]*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            raise Broken(f"{path} is damaged: {error}") from error
        found[path.name] = path.stat().st_mtime_ns
    return found


def _ungraded(out: Path) -> str:
    """What stands in the way, by submission."""
    reasons = []
    for path in sorted((out / "grades").glob("[!.]*.json")):
        grade = json.loads(path.read_bytes())
        if grade["status"] not in ("graded", "rejected"):
            reasons.append(f"{path.stem}: {grade['status']}: {grade['reason']['en']}")
    return "\n".join(reasons)


def _adopt_orphans() -> None:
    """Whatever outlives its batch becomes our child, so that none escapes the count."""
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def _seconds_until_gone() -> float:
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_SECONDS:
        left = psutil.Process().children(recursive=True)
        for child in left:
            with contextlib.suppress(OSError):
                os.waitpid(child.pid, os.WNOHANG)
        if not left:
            return time.monotonic() - started
        time.sleep(0.01)
    names = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            names.append(" ".join(child.cmdline())[:200])
            child.kill()
    raise Broken(f"still alive {PATIENCE_SECONDS} s after the kill: {names}")


def _compare(expected: Path, killed: Path) -> None:
    first, second = _grades(expected), _grades(killed)
    if first.keys() != second.keys():
        raise Broken(f"other grades: {sorted(first.keys() ^ second.keys())}")
    for name, grade in first.items():
        if grade != second[name]:
            raise Broken(f"{name} differs:\n{grade}\n{second[name]}")


def _grades(out: Path) -> dict[str, object]:
    """By the submission's name, without what is timed."""
    found: dict[str, object] = {}
    for path in (out / "grades").glob("*.json"):
        grade = json.loads(path.read_bytes())
        name = grade["submission"]["name"]
        if name in found:
            raise Broken(f"{name} was graded twice")
        grade["seconds"] = 0
        timed = [name for name in grade["measurements"] if name.startswith("latency")]
        for measurement in timed:
            del grade["measurements"][measurement]
        found[name] = grade
    return found


def _require_clean(bench: Bench, out: Path) -> None:
    left = [*out.rglob("*.tmp"), *bench.temporary.iterdir()]
    if left:
        raise Broken(f"left behind: {', '.join(map(str, left))}")
    if (out / "removed").exists() or (out / "faults").exists():
        raise Broken("a grade was set aside, or a fault was kept")


def _search_path() -> str:
    """This checkout first; an empty entry would be the folder that a command is started in."""
    given = os.environ.get("PYTHONPATH")
    return f"{REPOSITORY}{os.pathsep}{given}" if given else str(REPOSITORY)


def _kinds(folder: Path, course: Path) -> list[Path]:
    """One of each: the lesson's samples, and archives good and bad."""
    script = (
        "import sys; from pathlib import Path; from grader.lesson import loading as lessons; "
        f"lesson = lessons.load({LESSON!r}); lesson.samples.make(Path(sys.argv[1]), lesson)"
    )
    folder.mkdir()
    environment = os.environ | {
        "GRADER_COURSE": str(course),
        "PYTHONPATH": _search_path(),
    }
    subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, check=True)
    reference = folder / "reference"
    with tarfile.open(folder / "tarred.tar.gz", "w:gz") as archive:
        for name in ("model.onnx", "experiments.csv"):
            archive.add(reference / name, f"homework/{name}")
    whole = (folder / "tarred.tar.gz").read_bytes()
    (folder / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(folder / "slip.zip", "w") as archive:
        archive.write(reference / "model.onnx", "../model.onnx")
    (folder / "not-a.zip").write_bytes(b"this is no archive")
    (folder / "noise").mkdir()
    (folder / "noise" / "model.onnx").write_bytes(random.Random(1).randbytes(5000))
    return sorted(folder.iterdir())


if __name__ == "__main__":
    main()
