"""What runs on Gradescope: `prepare ROOT` when the image is built, `run ROOT` for a submission.

ROOT is /autograder there. results/results.json is written before anything is measured and
replaced afterwards, so that a run which is cut off leaves an explanation instead of nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from grader.gradebook.gradescope import results
from grader.lesson import grades, loading
from grader.release.gradescope import SEED, SETTINGS, Platform
from grader.text import Text
from grader.text.errors import ExitCode

UNFINISHED = Text(
    "Grading did not finish: the time or the memory of the container ran out, or the grader "
    "failed. This costs no points; tell the course staff."
)


def prepare(root: Path) -> int:
    """Make the hidden data once, and say in the build's log what will isolate submissions."""
    prepared = _python(root, "-m", "grader.release.on_gradescope", "data", str(root)).returncode
    _python(root, "-m", "grader", "doctor")
    return prepared


def make_hidden_data(root: Path) -> int:
    """Put the hidden data into the cache; `prepare` runs it in a process that has the seed."""
    from grader import grading
    from grader.data import hidden_seed

    settings = _settings(root)
    lesson = loading.load(settings.lesson)
    grading.prepare(lesson, "hidden", data=settings.data, seed=hidden_seed()[0])
    return ExitCode.OK


def run(root: Path) -> int:
    """Grade ROOT/submission; 0 when there is a result for the student, whatever it is."""
    settings = _settings(root)
    target = root / "results" / "results.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, {"output": UNFINISHED.to(settings.lang), "stdout_visibility": "hidden"})
    arguments = ["grade", settings.lesson, str(root / "submission"), "--json"]
    arguments += ["--lang", settings.lang]
    arguments += ["--data", settings.data] if settings.data else []
    arguments += ["--trust"] if settings.trust else []
    ended = _python(root, "-m", "grader", *arguments, capture=True)
    try:
        grade = grades.from_json(ended.stdout)
    except msgspec.MsgspecError:
        print(f"grader ended with exit code {ended.returncode} and no grade", file=sys.stderr)
        return ExitCode.UNGRADED
    spec = loading.load(settings.lesson).spec
    said = results(grade, spec, settings.lang, shown=settings.shown)
    _write(target, said)
    return ExitCode.OK if "score" in said else ExitCode.UNGRADED


def _settings(root: Path) -> Platform:
    return msgspec.json.decode((root / "source" / SETTINGS).read_bytes(), type=Platform)


def _python(
    root: Path, *arguments: str, capture: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Our own interpreter with the seed; its messages go to the instructor's log."""
    ours = ("GRADER_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {
        "GRADER_CACHE": str(root / "cache"),
        "GRADER_HIDDEN_SEED": (root / "source" / SEED).read_text(encoding="utf-8").strip(),
    }
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        env=kept | own,
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        check=False,
    )


def _write(path: Path, said: dict[str, object]) -> None:
    text = json.dumps(said, ensure_ascii=False, indent=2, allow_nan=False)
    grades.write_atomically(path, text.encode() + b"\n")


if __name__ == "__main__":
    commands = {"prepare": prepare, "data": make_hidden_data, "run": run}
    sys.exit(commands[sys.argv[1]](Path(sys.argv[2]).resolve()))
