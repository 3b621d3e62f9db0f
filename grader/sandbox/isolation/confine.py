"""How a forked child confines itself: limits, namespaces, Landlock, seccomp.

In this order, since each step takes away what the one before needed. A step that fails at the
promised level raises OSError, and the child then runs nothing.
"""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.sandbox.isolation import linux, seccomp
from grader.sandbox.isolation.launch import library_folders, packages

PLACE = "GRADER_PLACE"
"""Environment variable of a warm process: where private folders may be made."""
_NOTHING = Path(os.devnull)
_SYSTEM = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
)


@dataclass(frozen=True)
class Policy:
    """The level, and the files and folders that a child of one warm process may use."""

    level: str
    readable: tuple[Path, ...]
    """What code may read: the installed libraries and nothing else."""
    listable: tuple[Path, ...]
    """Folders of which code may see the names, as imports need."""
    places: Path
    """Where private folders of children are made."""

    @classmethod
    def here(cls, level: str) -> Policy:
        """The policy of this process. The installed libraries may be read, and what the loader and
        Python read, but not this package, although it may lie among the libraries: an installed
        copy holds the lessons and their references."""
        places = Path(os.environ.get(PLACE, tempfile.gettempdir()))
        libraries = library_folders()
        if level not in "AB":
            return cls(level, (), tuple(libraries), places)
        hidden = packages()
        parts = [part for library in libraries for part in _without(library, hidden)]
        return cls(level, (*map(Path, _SYSTEM), *parts), tuple(libraries), places)


def make_place(policy: Policy) -> Path:
    """A new private folder for one child. The child mounts memory over it where it can."""
    return Path(tempfile.mkdtemp(prefix="work-", dir=policy.places))


def remove_place(place: Path) -> None:
    """Remove the folder of a child that has ended, however deep its folders are and whatever rights
    it took away. Since nothing changes it any more, what is a folder here stays one."""
    waiting, number = [place], 0
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(OSError):
            folder.chmod(0o700)
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    # Moved up first: the path of a folder in a folder in a folder grows too long.
                    number += 1
                    aside = place.with_name(f"{place.name}-{number}")
                    os.chmod(entry.path, 0o700)  # noqa: PTH101  (of an entry, no path)
                    os.rename(entry.path, aside)  # noqa: PTH104
                    waiting.append(aside)
                else:
                    os.unlink(entry.path)  # noqa: PTH108
            folder.rmdir()


def fills(place: Path, limits: Mapping[str, int]) -> bool:
    """Whether a child has written more into its folder than it may, where the folder is on a disk
    of the system; one in memory has a fixed size and looks empty from here."""
    waiting, files, size = [str(place)], 0, 0
    while waiting:
        try:
            for entry in os.scandir(waiting.pop()):
                files += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                if files > limits["disk_files"] or size > limits["disk_bytes"]:
                    return True
        except FileNotFoundError:  # the child removed it meanwhile
            continue
        except OSError:  # a path too long, or no right to read: no lesson asks for that
            return True
    return False


def limit(limits: Mapping[str, int]) -> None:
    """Set the limits that the kernel enforces on one process."""
    linux.prctl(linux.PR_SET_PDEATHSIG, 9)
    # What the process has mapped already does not count as the submission's.
    with Path("/proc/self/statm").open("rb") as file:
        mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    address_space = mapped + limits["mapped_bytes"] + limits["memory_bytes"] + 2**28
    for kind, value in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_RTPRIO, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    # A hard limit two seconds later makes the kernel send SIGXCPU first, which tells the cause.
    seconds = int(limits["cpu_seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))


def enter(confined: str, policy: Policy, place: Path | None, limits: Mapping[str, int]) -> None:
    """Give up everything that a task of the kind `confined` (a `Confine`) does not need. Raises
    OSError."""
    if place is not None:
        # In memory of a fixed size where that is possible: then it can fill no disk but its own,
        # and nothing that it wrote remains.
        if policy.level in "AB":
            with contextlib.suppress(OSError):
                _private_mount(place, limits)
        os.chdir(place)
        os.environ.update(HOME=str(place), TMPDIR=str(place), MPLCONFIGDIR=str(place))
        tempfile.tempdir = None
    if policy.level not in "AB" or confined == "nothing":
        return
    if confined == "compute":
        rules = linux.landlock_ruleset()
        allowed = seccomp.COMPUTE
    else:
        rules = linux.landlock_ruleset(policy.readable, policy.listable, [_NOTHING], place)
        allowed = seccomp.CODE
    linux.landlock_restrict(rules)
    os.close(rules)
    linux.drop_capabilities()
    seccomp.install(allowed)


def _private_mount(place: Path, limits: Mapping[str, int]) -> None:
    user, group = os.getuid(), os.getgid()
    linux.unshare(
        linux.CLONE_NEWUSER
        | linux.CLONE_NEWNS
        | linux.CLONE_NEWIPC
        | linux.CLONE_NEWUTS
        | linux.CLONE_NEWNET
    )
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(line)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount(
        "tmpfs",
        str(place),
        "tmpfs",
        linux.MS_NOSUID | linux.MS_NODEV,
        f"size={limits['disk_bytes']},nr_inodes={limits['disk_files']},mode=0700",
    )


def _without(folder: Path, hidden: Sequence[Path]) -> Iterator[Path]:
    """The parts of `folder` that hold nothing of the folders `hidden`."""
    if folder in hidden:
        return
    if not any(one.is_relative_to(folder) for one in hidden):
        yield folder
        return
    for entry in folder.iterdir():
        yield from _without(entry, hidden)
