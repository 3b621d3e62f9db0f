"""The files of a folder, found without following links, checked, and hashed once; and safe reading
of one file."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from grader.intake.rules import (
    MAX_DEPTH,
    changed,
    check_sizes,
    ignored,
    link,
    max_members,
    not_a_file,
    not_utf8,
    too_deep,
    too_many,
)
from grader.lesson.spec import Intake
from grader.text.errors import Rejected
from grader.text.untrusted import quoted, readable

_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # otherwise a pipe waits for its other end
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOCTTY", 0)
)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_HAS_DIR_FD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_BLOCK = 2**20


@dataclass(frozen=True)
class SubmittedFile:
    """One file that was handed in, as it was when it was listed."""

    path: PurePosixPath
    """Relative to the submission's root, with forward slashes."""
    size: int
    """Bytes."""
    sha256: str = ""
    """Hash of its contents; empty if the archive that it came from was hashed instead."""


def open_file(root: Path, path: PurePosixPath) -> io.FileIO:
    """The opened regular file at `path` inside `root`, which itself may be reached by a link.

    No component of `path` may be a link, and opening does not wait for a pipe. Raises Rejected for
    a link, a file without read permission, anything that is not a regular file, and a file that is
    gone.
    """
    if ".." in path.parts or path.is_absolute():
        raise ValueError(f"{path} does not lie in a submission")
    try:
        descriptor = _descend(root, path) if _HAS_DIR_FD else _checked(root, path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise Rejected(link(str(path))) from error
        if error.errno == errno.EACCES:
            name = quoted(str(path))
            raise Rejected(
                "{name} may not be read: its rights forbid it; hand it in again, readable for "
                "everyone (on Linux: chmod a+r).",
                name=name,
            ) from error
        if error.errno == errno.ENXIO:  # a socket
            raise Rejected(not_a_file(str(path))) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Rejected(changed(str(path))) from error
        raise
    file = io.FileIO(descriptor)
    try:
        require_plain(str(path), os.fstat(descriptor))
    except BaseException:
        file.close()
        raise
    return file


def require_plain(name: str, status: os.stat_result) -> None:
    """Raises Rejected unless `status`, taken without following links, is that of a regular file.

    Hard links are allowed, because tools that save space make them."""
    if stat.S_ISLNK(status.st_mode):
        raise Rejected(link(name))
    if not stat.S_ISREG(status.st_mode):
        raise Rejected(not_a_file(name))


def _descend(root: Path, path: PurePosixPath) -> int:
    """Open each folder relative to the one before, so that no folder can be replaced meanwhile."""
    place = os.open(root, _FOLDER)
    try:
        for part in path.parts[:-1]:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = inner
        return os.open(path.name, _READ, dir_fd=place)
    finally:
        os.close(place)


def _checked(root: Path, path: PurePosixPath) -> int:
    """Check every component, then open; for Windows, where folders cannot be opened."""
    place = root
    for part in path.parts:
        place = place / part
        if place.is_symlink():
            raise Rejected(link(str(path)))
    return os.open(place, _READ)


def list_files(folder: Path, rules: Intake, *, hashed: bool) -> list[SubmittedFile]:
    """Every file below `folder`, in an order that does not depend on the machine. Raises Rejected
    for links, devices, names that are not UTF-8, and more or larger files than the lesson
    allows."""
    found: list[SubmittedFile] = []
    total = 0
    for path in _walk(folder, max_members(rules)):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        name, status = str(relative), path.lstat()
        if readable(name) != name:
            raise Rejected(not_utf8(name))
        if len(relative.parts) > MAX_DEPTH:
            raise Rejected(too_deep(name))
        require_plain(name, status)
        total += status.st_size
        check_sizes(name, status.st_size, len(found) + 1, total, rules)
        digest = ""
        if hashed:
            with open_file(folder, relative) as file:
                digest = sha256(file, name, status.st_size)
        found.append(SubmittedFile(relative, status.st_size, digest))
    return found


def fingerprint_of(files: list[SubmittedFile]) -> str:
    """sha256 over the paths and contents of hashed files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.path).encode() + b"\0")
        digest.update(bytes.fromhex(file.sha256))
    return digest.hexdigest()


def fingerprint_of_refused(folder: Path, rules: Intake) -> str:
    """sha256 over names, sizes and times: contents of a refused folder may be too large to read."""
    digest = hashlib.sha256(b"refused\0")
    try:
        for path in _walk(folder, max_members(rules)):
            status = path.lstat()
            name = path.relative_to(folder).as_posix()
            line = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(readable(line).encode())
    except Rejected:  # too many entries
        digest.update(str(folder.stat().st_mtime_ns).encode())
    return digest.hexdigest()


def sha256(file: io.FileIO, name: str, size: int) -> str:
    """sha256 of the `size` bytes in `file`. Raises Rejected when there are more or fewer by now."""
    digest, left = hashlib.sha256(), size
    while left >= 0 and (block := file.read(min(_BLOCK, left + 1))):
        digest.update(block)
        left -= len(block)
    if left != 0:
        raise Rejected(changed(name))
    return digest.hexdigest()


def _walk(folder: Path, limit: int) -> Iterator[Path]:
    """Everything below `folder` that is not a folder, in an order that does not depend on the
    machine; and folders below the allowed depth. Links are not followed. Raises Rejected when there
    are more than `limit` entries."""
    waiting = [(folder, 0)]
    seen = 0
    while waiting:
        place, depth = waiting.pop()
        if depth and (depth > MAX_DEPTH or place.is_symlink() or not place.is_dir()):
            yield place
            continue
        with os.scandir(place) as entries:
            names = [entry.name for entry in islice(entries, limit - seen + 1)]
        seen += len(names)
        if seen > limit:
            raise Rejected(too_many(limit))
        inside = [place / name for name in names if not ignored(PurePosixPath(name))]
        waiting += [(path, depth + 1) for path in sorted(inside, reverse=True)]
