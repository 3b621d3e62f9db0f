"""A small lesson, whose autograder does to its process what a submission requests."""

from __future__ import annotations

import pickle
from pathlib import Path

import psutil

SPEC = """
schema = 1
name = "toy"
title = { en = "Toy", ru = "Игрушка" }
summary = { en = "Say a word.", ru = "Скажите слово." }
max_score = 1.0

[intake]
artefact = "act.txt"

[limits]
wall_seconds = 20.0
memory_bytes = 268435456

[data]
names = ["none"]

[[terms]]
name = "length"
title = { en = "Length", ru = "Длина" }
formula = "min(length, 1)"
max_points = 1.0

[report]
rank_by = "length"
columns = []
"""

AUTOGRADER = '''
import os
import signal
import stat
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from grader.lesson.contract import Findings
from grader.lesson.grades import Measurement
from grader.text import Text


@dataclass(frozen=True)
class Exam:
    data_id: str
    baseline: dict = field(default_factory=dict)


def prepare(setup):
    return Exam(f"none:{setup.seed}")


def examine(exam, submission):
    act, *words = submission.read("act.txt").decode().split()
    length = ACTS[act](*words)
    return Findings({"length": Measurement(length or 1.0, "", Text("how"))}, [])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def abort():
    os.abort()


def die_once(mark):
    if not Path(mark).exists():
        Path(mark).touch()
        die()


def wait(started, file):
    Path(started).touch()
    while not Path(file).exists():
        time.sleep(0.01)


def litter():
    tempfile.mkdtemp(prefix="litter-")
    die()


def garbage():
    """Writes to the pipe on which answers go."""
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and os.path.realpath(f"/proc/self/fd/{name}").rpartition("/")[2].startswith(
            "pipe:"
        ):
            try:
                os.write(number, b"1234567 {garbage} " * 10)
            except OSError:
                pass


def grow():
    KEPT.append(b"x" * (600 << 20))


def fault():
    raise RuntimeError("the autograder is broken")


def print_lines():
    print("printed by a library", flush=True)
    os.system("echo printed by a child; cat")


def nan():
    return float("nan")


def look(file):
    import json
    import resource

    fds = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
           if os.path.exists(f"/proc/self/fd/{n}")]
    Path(file).write_text(json.dumps({
        "fds": fds,
        "threads": len(os.listdir("/proc/self/task")),
        "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
        "cwd": os.getcwd(),
        "tmp": tempfile.gettempdir(),
        "session": os.getsid(0) == os.getpid(),
        "environment": dict(os.environ),
        "path": sys.path,
    }))


KEPT = []
ACTS = {
    "ok": lambda *words: None,
    "abort": abort,
    "die": die,
    "die-once": die_once,
    "wait": wait,
    "litter": litter,
    "garbage": garbage,
    "grow": grow,
    "fault": fault,
    "print": print_lines,
    "nan": nan,
    "look": look,
}
'''


def make_course(folder: Path) -> Path:
    """The three trees with the one lesson `toy`."""
    lesson = folder / "assignments" / "toy"
    lesson.mkdir(parents=True)
    (lesson / "lesson.toml").write_text(SPEC, encoding="utf-8")
    (lesson / "autograder.py").write_text(AUTOGRADER, encoding="utf-8")
    for tree in ("reference_solutions", "student_template"):
        (folder / tree / "toy").mkdir(parents=True)
    return folder


def submit(folder: Path, name: str, act: str) -> Path:
    """A submission that makes the autograder do `act`."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "act.txt").write_text(act, encoding="utf-8")
    return place


def alive(pid: int) -> bool:
    """Whether `pid` runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def workers_of(pid: int) -> list[int]:
    """Worker processes that `pid` started."""
    children = psutil.Process(pid).children()
    return [child.pid for child in children if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "grader.batch.worker" in process.cmdline()
    except psutil.Error:
        return False


def written(examination: object, folder: Path) -> Path:
    path = folder / "examination"
    path.write_bytes(pickle.dumps(examination))
    return path


def open_files(pid: int) -> list[str]:
    return [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
