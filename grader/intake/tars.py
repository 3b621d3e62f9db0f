"""Tar archives, read by tarfile from the standard library over a bounded stream.

By itself tarfile reads a long name or an extended header of any declared size, takes a damaged
header for the end of the archive, and decompresses everything that it skips.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from grader.intake.members import BLOCK, Damaged, Kind, Member, files_to_unpack, write
from grader.intake.rules import max_members
from grader.lesson.spec import Intake
from grader.text import Text
from grader.text.errors import Rejected

MAX_HEADER_BYTES = 2**14
"""Headers of one member, including the attributes that some systems add. The time and memory that
tarfile needs grow with the square of their size."""
LARGE_HEADERS = Text(
    "The archive spends more bytes on names and attributes than any project needs; pack the "
    "folder again as a .zip."
)
_MEAN_HEADER_BYTES = 2**10
_MAX_GLOBAL_HEADERS = 100
_DIGITS = re.compile(rb"[0-9]{64}")
"""Digits in an extended header, for which some versions of tarfile need quadratic time."""
_XZ_MEMORY = 256 * 2**20
"""Four times what `xz -9` needs."""


def unpack_tar(raw: io.FileIO, folder: Path, rules: Intake) -> None:
    """Unpack the tar archive in `raw`, compressed or not, into the empty `folder`. Raises
    Rejected or Damaged, and what tarfile and the decompressors raise; reads all of the archive
    before it writes."""
    headers = max_members(rules) * _MEAN_HEADER_BYTES
    limit = rules.max_total_bytes + headers
    first = _Stream(_decompressed(raw), limit, headers)
    planned = {each.index: each for each in files_to_unpack(_members(first), rules)}
    first.seek(limit + 1)  # to the end, where compressed data has its checksum
    raw.seek(0)
    again = _Stream(_decompressed(raw), limit)
    for index, member in enumerate(_members(again)):
        each = planned.pop(index, None)
        if each is not None:
            if member.size != each.size or member.kind != "file":
                raise Damaged
            write(folder / each.path, again, each.size)
    if planned:
        raise Damaged


class _Stream:
    """A forward-only file object with the methods that tarfile needs. At most `limit` bytes are
    decompressed, and at most `headers` of them, if given, are read rather than skipped."""

    def __init__(self, blocks: Iterator[bytes], limit: int, headers: int | None = None) -> None:
        self._blocks = blocks
        self._waiting = b""
        self._position = 0
        self._limit = limit
        self._headers = headers
        self.of_member = 0
        """Bytes of headers that were read for the current member."""
        self.last = b""
        """The result of the last read."""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        if position < self._position:
            raise Damaged
        while self._position < position and self._take(position - self._position):
            pass

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            raise Damaged
        if self._headers is not None:
            self._headers -= size
            self.of_member += size
            if self.of_member > MAX_HEADER_BYTES or self._headers < 0:
                raise Rejected(LARGE_HEADERS)
        parts = bytearray()
        while len(parts) < size and (part := self._take(size - len(parts))):
            parts += part
        self.last = bytes(parts)
        if self._headers is not None and size > tarfile.BLOCKSIZE and _DIGITS.search(parts):
            raise Damaged
        return self.last

    def _take(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        while not self._waiting:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._waiting = block
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        self._position += len(part)
        if self._position > self._limit:
            raise Rejected(
                "The archive unpacks to more than {limit:,} bytes; leave data and checkpoints out.",
                limit=self._limit,
            )
        return part


def _members(stream: _Stream) -> Iterator[Member]:
    with tarfile.TarFile(fileobj=cast(IO[bytes], stream)) as file:
        while (info := file.next()) is not None:
            if len(file.pax_headers) > _MAX_GLOBAL_HEADERS:
                raise Rejected(LARGE_HEADERS)
            yield Member(info.name, info.size, _kind(info))
            # tarfile keeps all members with their headers.
            file.members.clear()  # type: ignore[attr-defined]
            stream.of_member = 0
    if stream.last.strip(b"\0"):
        raise Damaged  # an invalid header, at which tarfile stops without an error


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir():
        return "folder"
    if info.issym() or info.islnk():
        return "link"
    if info.issparse():
        return "sparse"
    return "file" if info.isreg() else "other"


def _decompressed(raw: io.FileIO) -> Iterator[bytes]:
    """Blocks of the tar archive in `raw`, decompressed according to its first bytes."""
    start = raw.read(6)
    raw.seek(0)
    file: IO[bytes] | gzip.GzipFile | bz2.BZ2File | io.FileIO
    if start.startswith(b"\x1f\x8b"):
        file = gzip.GzipFile(fileobj=raw)
    elif start.startswith(b"BZh"):
        file = bz2.BZ2File(raw)
    elif start == b"\xfd7zXZ\0":
        yield from _unxz(raw)
        return
    else:
        file = raw
    while block := file.read(BLOCK):
        yield block


def _unxz(raw: io.FileIO) -> Iterator[bytes]:
    """Blocks of an xz file, decompressed within _XZ_MEMORY: lzma.open has no limit, and a header of
    a few bytes can request gigabytes."""
    data = raw.read(BLOCK)
    while data.strip(b"\0"):  # streams may follow each other, with zeros between them
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        data = data.lstrip(b"\0")
        while not stream.eof:
            if stream.needs_input and not data:
                data = raw.read(BLOCK)
                if not data:
                    raise EOFError
            yield stream.decompress(data, BLOCK)
            data = b""
        data = stream.unused_data or raw.read(BLOCK)
