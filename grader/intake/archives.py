"""Unpacks an archive of any supported kind; all members are checked before one is written."""

from __future__ import annotations

import errno
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from grader.intake.members import Damaged
from grader.intake.rules import changed
from grader.intake.tars import unpack_tar
from grader.intake.zips import unpack_zip
from grader.lesson.spec import Intake
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

OTHER_ARCHIVES = (".rar", ".7z", ".zipx", ".gz", ".bz2", ".xz", ".zst", ".lz", ".lz4", ".cab")
"""Suffixes of archives and compressed files that are not supported."""
_OTHER_STARTS = ((b"Rar!", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_OUR_DISK = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "EACCES", "EROFS", "ENOMEM")
    if hasattr(errno, name)
)
"""Error numbers that this machine causes; others, such as of an invalid seek, an archive causes."""
_BROKEN = (
    Damaged,
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ArithmeticError,
    IndexError,
    # raised by zipfile for encrypted members and unknown compression
    RuntimeError,
    NotImplementedError,
    ValueError,
)


def require_archive_size(name: str, size: int, rules: Intake) -> None:
    """Raises Rejected for an archive that is larger than its contents may be."""
    if size > (limit := rules.max_total_bytes):
        raise Rejected(
            "The archive {name} has {size:,} bytes, at most {limit:,} are allowed; leave data "
            "and checkpoints out.",
            name=quoted(name),
            size=size,
            limit=limit,
        )


def unpack(raw: io.FileIO, name: str, folder: Path, rules: Intake) -> None:
    """Unpack the archive `name`, opened as `raw`, into the empty `folder`.

    Its kind is taken from its contents, not its name. Raises Rejected before anything is written
    when a member is a link or a device, has a path outside the folder, occurs twice or is too
    large, and when the file is not an archive.
    """
    before = os.fstat(raw.fileno())
    require_archive_size(name, before.st_size, rules)
    start = raw.read(8)
    raw.seek(0)
    for magic, kind in _OTHER_STARTS:
        if start.startswith(magic):
            raise Rejected(
                "{name} is a {kind} archive, whatever its name says; pack the folder as a .zip.",
                name=quoted(name),
                kind=kind,
            )
    known_tar = start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))
    is_zip = start.startswith(b"PK") or (name.lower().endswith(".zip") and not known_tar)
    try:
        (unpack_zip if is_zip else unpack_tar)(raw, folder, rules)
    except (OSError, *_BROKEN) as error:
        if isinstance(error, OSError) and error.errno in _OUR_DISK:
            raise
        raise Rejected(
            "The archive {name} is damaged, encrypted or not an archive; pack the folder again.",
            name=quoted(name),
        ) from error
    after = os.fstat(raw.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Rejected(changed(name))
