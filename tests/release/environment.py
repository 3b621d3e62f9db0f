"""A clean virtual environment with our libraries, and the command in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def make(folder: Path) -> Path:
    """A virtual environment in `folder` with our libraries, but not our package; its scripts.

    Files are linked, not copied, where the disk allows: a path into our own environment would not
    do, since the sandbox shows a submission the environment that it runs in and nothing else.
    """
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    asked = subprocess.run(
        [scripts / "python", "-c", code], check=True, capture_output=True, text=True
    )
    ours = shutil.ignore_patterns("grader", "small_fast_nets*", "_editable*", "__editable__*")
    shutil.copytree(
        sysconfig.get_path("purelib"),
        asked.stdout.strip(),
        copy_function=_link,
        ignore=ours,
        dirs_exist_ok=True,
    )
    return scripts


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def run(*command: str | Path, cwd: Path, timeout: int = 300, **extra: str) -> Done:
    """A command without our settings and without our paths."""
    ours = ("GRADER_", "PYTHON", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | extra,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
