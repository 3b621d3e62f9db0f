"""How every child process is launched: interpreter, environment, and bubblewrap at level A."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from pathlib import Path

import grader

KEPT = ("SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "LD_LIBRARY_PATH", "PYTHONPATH")
"""Variables without which an interpreter does not start; nothing else is passed on."""
BUBBLEWRAP_PLACE = "/submission"
"""The only folder that can be written behind bubblewrap, in memory."""


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
    # Also what PYTHONPATH adds, but no checkout of this project. An empty part of it would mean
    # the working folder.
    own = Path(grader.__file__).resolve().parent
    added = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    names += [name for name in added if not own.is_relative_to(Path(name).resolve())]
    return sorted({Path(name).resolve() for name in names if Path(name).is_dir()})


def packages() -> list[Path]:
    """Every folder of this package: the one in use, and one of its name among the libraries, where
    an installation in editable mode leaves a copy of the course."""
    own = Path(grader.__file__).resolve().parent
    others = (folder / own.name for folder in library_folders())
    return sorted({own, *(folder.resolve() for folder in others if folder.is_dir())})


def find_bubblewrap() -> str | None:
    """The path of the program, None where it is not installed."""
    return shutil.which("bwrap")


def bubblewrapped(command: list[str], variables: dict[str, str], disk_bytes: int) -> list[str]:
    """The command that runs `command` behind bubblewrap, with no environment but `variables`.

    It has no network and sees no process of the host. Of the file system it sees the system's
    libraries, Python and this package without its lessons, all read-only, and a folder in memory
    of at most `disk_bytes`.
    """
    arguments = [find_bubblewrap() or "bwrap", "--unshare-all", "--die-with-parent"]
    arguments += ["--new-session", "--clearenv"]
    for name, value in variables.items():
        arguments += ["--setenv", name, value]
    arguments += ["--size", str(disk_bytes), "--tmpfs", BUBBLEWRAP_PLACE]
    arguments += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib32", "lib64", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"):
        arguments += ["--ro-bind-try", name, name]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for folder in _outermost([Path(sys.prefix), Path(sys.base_prefix), *library_folders()]):
        arguments += ["--ro-bind", str(folder), str(folder)]
    package = Path(grader.__file__).resolve().parent
    arguments += ["--ro-bind", str(package), str(package)]
    courses = [folder / "_course" for folder in packages() if (folder / "_course").is_dir()]
    arguments += [part for course in courses for part in ("--tmpfs", str(course))]
    return [*arguments, "--chdir", "/", "--", *command]


def _outermost(folders: list[Path]) -> list[Path]:
    """Folders outside /usr, also where links lead to, without those inside another one."""
    every = {path for folder in folders for path in (folder, folder.resolve()) if path.is_dir()}
    kept = [path for path in every if not path.is_relative_to("/usr")]
    return sorted(
        path for path in kept if not any(path != o and path.is_relative_to(o) for o in kept)
    )
