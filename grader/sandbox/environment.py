"""How every child of the sandbox is started: which interpreter, flags and environment."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path

import grader

KEPT = ("SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "LD_LIBRARY_PATH", "PYTHONPATH")
"""Variables without which an interpreter does not start; nothing else is passed on."""


def python() -> list[str]:
    """The interpreter, not looking for modules in its working folder."""
    return [sys.executable, "-P"]


def environment() -> dict[str, str]:
    """A child's environment: no secrets, no home, one thread."""
    chosen = {name: os.environ[name] for name in KEPT if name in os.environ}
    chosen |= {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
    if site.ENABLE_USER_SITE:
        chosen["PYTHONUSERBASE"] = site.getuserbase()
    return chosen


def library_folders() -> list[Path]:
    """Where installed modules are imported from; a checkout of this project is not among them."""
    paths = sysconfig.get_paths()
    names = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"]]
    names += site.getsitepackages()
    if site.ENABLE_USER_SITE:
        names.append(site.getusersitepackages())
    # Also what PYTHONPATH adds, but no checkout of this project.
    own = Path(grader.__file__).resolve().parent
    added = [Path(name).resolve() for name in _python_path()]
    names += [str(folder) for folder in added if not own.is_relative_to(folder)]
    return sorted({Path(name).resolve() for name in names if Path(name).is_dir()})


def _python_path() -> list[str]:
    """PYTHONPATH without empty parts, which mean whatever folder a process is in."""
    return [name for name in os.environ.get("PYTHONPATH", "").split(os.pathsep) if name]
