"""Archives: every member is judged before the first byte is written."""

from __future__ import annotations

import errno
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from grader.errors import Rejected
from grader.file_rules import (
    MAX_DEPTH,
    check_sizes,
    link,
    not_a_file,
    readable,
    too_deep,
    unreadable,
)
from grader.lesson import Intake
from grader.text import Text, ru_number

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_PATH = 240
"""Bytes of a member's path."""


def archive_suffix(path: Path) -> str:
    if not path.is_file():
        return ""
    lower = path.name.lower()
    return max((suffix for suffix in ARCHIVES if lower.endswith(suffix)), key=len, default="")


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    kind: str
    """`file`, `folder`, `link` or `other`."""


def unpack(archive: Path, folder: Path, rules: Intake) -> None:
    """Unpack into an empty folder. Raises Rejected before anything is written when a member
    is a link or a device, would land outside the folder, is there twice or is too large."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as file:
                _judge(_zip_members(file), rules)
                _extract_zip(file, folder)
        else:
            with tarfile.open(archive) as file:
                _judge(_tar_members(file), rules)
                _extract_tar(file, folder)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        # One member is a file where another needs a folder.
        raise Rejected(_damaged(archive.name)) from error
    except OSError as error:
        if error.errno in _OUR_DISK:
            raise
        raise Rejected(_damaged(archive.name)) from error
    except _BROKEN_ARCHIVE as error:
        raise Rejected(_damaged(archive.name)) from error


_OUR_DISK = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "EACCES", "EROFS", "ENOMEM")
    if hasattr(errno, name)
)
"""Anything else, a seek to before the start among it, comes from what the archive says."""

_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ArithmeticError,
    IndexError,
    # zipfile's words for encrypted members and unknown compression
    RuntimeError,
    NotImplementedError,
    ValueError,
)


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            kind = "folder"
        elif stat.S_ISLNK(mode):
            kind = "link"
        elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
            kind = "file"
        else:
            kind = "other"
        yield _Member(info.filename, info.file_size, kind)


def _tar_members(file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        kind = (
            "folder"
            if info.isdir()
            else "link"
            if info.issym() or info.islnk()
            else "file"
            if info.isreg()
            else "other"
        )
        yield _Member(info.name, info.size, kind)


def _judge(members: Iterator[_Member], rules: Intake) -> None:
    seen: set[str] = set()
    total = 0
    for member in members:
        # First of all: a header can hold a name of a hundred million characters.
        if len(member.name) > MAX_PATH or "\0" in member.name:
            raise Rejected(_long_name(member.name))
        path = PurePosixPath(member.name.replace("\\", "/"))
        if member.kind == "folder" and path in (PurePosixPath("."), PurePosixPath()):
            continue
        if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise Rejected(_escapes(member.name))
        if readable(member.name) != member.name:
            raise Rejected(unreadable(member.name))
        if len(member.name.encode()) > MAX_PATH:
            raise Rejected(_long_name(member.name))
        if len(path.parts) > MAX_DEPTH:
            raise Rejected(too_deep(member.name))
        if member.kind == "link":
            raise Rejected(link(member.name))
        if member.kind == "other":
            raise Rejected(not_a_file(member.name))
        if member.kind == "folder":
            continue
        key = path.as_posix().casefold()
        if key in seen:
            raise Rejected(_twice(member.name))
        seen.add(key)
        total += member.size
        check_sizes(member.name, member.size, len(seen), total, rules)


def _extract_zip(file: zipfile.ZipFile, folder: Path) -> None:
    for info in file.infolist():
        if not info.is_dir():
            with file.open(info) as source:
                _write(folder / info.filename.replace("\\", "/"), source, info.file_size)


def _extract_tar(file: tarfile.TarFile, folder: Path) -> None:
    for info in file.getmembers():
        if info.isreg():
            source = file.extractfile(info)
            assert source is not None  # a regular member always has contents
            with source:
                _write(folder / info.name, source, info.size)


def _write(path: Path, source: IO[bytes], size: int) -> None:
    """Copy at most the declared size: a header that lies does not fill the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        left = size
        while left > 0 and (block := source.read(min(left, 2**20))):
            target.write(block)
            left -= len(block)


def _escapes(name: str) -> Text:
    return Text(
        en=f"The archive holds {name}, which would land outside the submission's folder; pack the "
        "folder again with relative paths.",
        ru=f"В архиве есть путь {name}, ведущий за пределы папки работы; упакуйте папку заново "
        "с относительными путями.",
    )


def _long_name(name: str) -> Text:
    start = readable(name[:40])
    return Text(
        en=f"The archive holds a name of {len(name):,} characters ({start}...); at most "
        f"{MAX_PATH} bytes are allowed.",
        ru=f"В архиве есть имя длиной {ru_number(len(name))} символов ({start}...); допустимо "
        f"не более {MAX_PATH} байт.",
    )


def _twice(name: str) -> Text:
    return Text(
        en=f"The archive holds {name} twice (or twice but for upper and lower case); keep one.",
        ru=f"В архиве файл {name} встречается дважды (возможно, с разным регистром букв); "
        "оставьте один.",
    )


def _damaged(name: str) -> Text:
    return Text(
        en=f"The archive {name} is damaged, encrypted or not an archive; pack the folder again.",
        ru=f"Архив {name} повреждён, зашифрован или не является архивом; упакуйте папку заново.",
    )
