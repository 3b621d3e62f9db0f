"""Open a submitted file: no link is followed, no pipe waited for, no earlier look trusted."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path, PurePosixPath

from grader.errors import Rejected
from grader.intake.rules import changed, link, not_a_file, unreadable_file

_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for its other end
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOCTTY", 0)
)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_BY_FOLDER = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


def open_file(root: Path, path: PurePosixPath) -> io.FileIO:
    """The regular file at `path` inside `root`, which may itself be reached by a link.

    No component of `path` may be a link. Raises Rejected for a link, a file that may not be read,
    or anything that is no file; when it is gone, as changed.
    """
    if ".." in path.parts or path.is_absolute():
        raise ValueError(f"{path} does not lie in a submission")
    try:
        descriptor = _descend(root, path) if _BY_FOLDER else _checked(root, path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise Rejected(link(str(path))) from error
        if error.errno == errno.EACCES:
            raise Rejected(unreadable_file(str(path))) from error
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

    Other names of it are nobody's mistake: tools that save space make them."""
    if stat.S_ISLNK(status.st_mode):
        raise Rejected(link(name))
    if not stat.S_ISREG(status.st_mode):
        raise Rejected(not_a_file(name))


def _descend(root: Path, path: PurePosixPath) -> int:
    """Folder by folder, each opened in the one before: nothing can be exchanged on the way."""
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
    """Where folders cannot be opened (Windows): look at every component, then open."""
    place = root
    for part in path.parts:
        place = place / part
        if place.is_symlink():
            raise Rejected(link(str(path)))
    return os.open(place, _READ)
