"""Archives: every member is judged before the first byte is written."""

from __future__ import annotations

import errno
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from grader.intake.members import Damaged
from grader.intake.rules import changed
from grader.intake.tars import unpack_tar
from grader.intake.zips import unpack_zip
from grader.lesson.spec import Intake
from grader.text import Text, ru_number
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
OTHER_ARCHIVES = (".rar", ".7z", ".zipx", ".gz", ".bz2", ".xz", ".zst", ".lz", ".lz4", ".cab")
"""What students pack too, and nothing here unpacks."""
_OTHER_STARTS = ((b"Rar!", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x28\xb5\x2f\xfd", "zstd"))


def archive_suffix(path: PurePosixPath | Path) -> str:
    """The suffix that makes `path` an archive by its name, empty for other names."""
    lower = path.name.lower()
    return max((suffix for suffix in ARCHIVES if lower.endswith(suffix)), key=len, default="")


def require_archive_size(name: str, size: int, rules: Intake) -> None:
    """Raises Rejected for an archive that is larger than what may be in it."""
    if size > rules.max_total_bytes:
        raise Rejected(_too_large(name, size, rules.max_total_bytes))


def unpack(raw: io.FileIO, name: str, folder: Path, rules: Intake) -> None:
    """Unpack the archive `name`, opened as `raw`, into the empty `folder`.

    Raises Rejected before anything is written when a member is a link or a device, would land
    outside the folder, is there twice or is too large, and for an archive that is none. What kind
    it is, its contents say, and not its name.
    """
    before = os.fstat(raw.fileno())
    require_archive_size(name, before.st_size, rules)
    start = raw.read(8)
    raw.seek(0)
    for magic, kind in _OTHER_STARTS:
        if start.startswith(magic):
            raise Rejected(_other_kind(name, kind))
    known_tar = start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))
    is_zip = start.startswith(b"PK") or (name.lower().endswith(".zip") and not known_tar)
    try:
        (unpack_zip if is_zip else unpack_tar)(raw, folder, rules)
    except OSError as error:
        if error.errno in _OUR_DISK:
            raise
        raise Rejected(_damaged(name)) from error
    except _BROKEN as error:
        raise Rejected(_damaged(name)) from error
    after = os.fstat(raw.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Rejected(changed(name))


_OUR_DISK = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "EACCES", "EROFS", "ENOMEM")
    if hasattr(errno, name)
)
"""Anything else, a seek to before the start among it, comes from what the archive says."""

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
    # zipfile's words for encrypted members and unknown compression
    RuntimeError,
    NotImplementedError,
    ValueError,
)


def other_archive(name: str) -> Text:
    """Why an archive of a kind that is not unpacked cannot be graded."""
    return Text(
        en=f"{quoted(name)} is an archive of a kind that is not read; pack the folder as a .zip.",
        ru=f"{quoted(name)} — архив такого вида, который не читается; упакуйте папку в .zip.",
    )


def _other_kind(name: str, kind: str) -> Text:
    return Text(
        en=f"{quoted(name)} is a {kind} archive, whatever its name says; pack the folder as a "
        ".zip.",
        ru=f"{quoted(name)} — на самом деле архив {kind}; упакуйте папку в .zip.",
    )


def _too_large(name: str, size: int, limit: int) -> Text:
    return Text(
        en=f"The archive {quoted(name)} has {size:,} bytes, at most {limit:,} are allowed; leave "
        "data and checkpoints out.",
        ru=f"Архив {quoted(name)} занимает {ru_number(size)} байт, допустимо не более "
        f"{ru_number(limit)}; не включайте данные и чекпойнты.",
    )


def _damaged(name: str) -> Text:
    return Text(
        en=f"The archive {quoted(name)} is damaged, encrypted or not an archive; pack the folder "
        "again.",
        ru=f"Архив {quoted(name)} повреждён, зашифрован или не является архивом; упакуйте папку "
        "заново.",
    )
