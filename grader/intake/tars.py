"""Tar archives, by tarfile from the standard library, over a stream that is bounded here.

tarfile reads a long name or an extended header of any declared size, takes a damaged header for
the end of the archive, and decompresses whatever it has to skip.
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

from grader.intake.members import BLOCK, Damaged, Kind, Member, judge, write
from grader.intake.rules import max_members
from grader.lesson.spec import Intake
from grader.text import Text, ru_number
from grader.text.errors import Rejected

MAX_HEADER_BYTES = 2**14
"""All headers of one member, with the attributes that some systems add. tarfile's work and memory
grow with the square of it."""
_MEAN_HEADER_BYTES = 2**10
_MAX_GLOBAL_HEADERS = 100
_DIGITS = re.compile(rb"[0-9]{64}")
"""In an extended header; some versions of tarfile take quadratic time over them."""
_XZ_MEMORY = 256 * 2**20
"""`xz -9` needs a quarter of it."""


def unpack_tar(raw: io.FileIO, folder: Path, rules: Intake) -> None:
    """Unpack the tar archive in `raw`, compressed or not, into the empty `folder`. Raises
    Rejected or Damaged, and what tarfile and the decompressors raise; reads all of the archive
    before it writes."""
    headers = max_members(rules) * _MEAN_HEADER_BYTES
    limit = rules.max_total_bytes + headers
    first = _Stream(_decompressed(raw), limit, headers)
    wanted = judge(_members(first), rules)
    first.drain()
    raw.seek(0)
    again = _Stream(_decompressed(raw), limit)
    left = iter(wanted)
    each = next(left, None)
    for index, member in enumerate(_members(again)):
        if each is not None and each.index == index:
            if member.size != each.size or member.kind != "file":
                raise Damaged
            write(folder / each.path, again, each.size)
            each = next(left, None)
    if each is not None:
        raise Damaged


class _Stream:
    """As much of a file object as tarfile needs, forward only. At most `limit` bytes are
    decompressed; where `headers` is given, at most so many are read and not passed over."""

    def __init__(self, blocks: Iterator[bytes], limit: int, headers: int | None = None) -> None:
        self._blocks = blocks
        self._waiting = b""
        self._position = 0
        self._limit = limit
        self._headers = headers
        self._of_member = 0
        self.last = b""
        """What the last read returned."""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        if position < self._position:
            raise Damaged
        while self._position < position and self._take(position - self._position):
            pass

    def read(self, size: int, /) -> bytes:
        if size < 0:
            raise Damaged
        if self._headers is not None:
            self._headers -= size
            self._of_member += size
            if self._of_member > MAX_HEADER_BYTES or self._headers < 0:
                raise Rejected(_large_headers())
        parts = bytearray()
        while len(parts) < size and (part := self._take(size - len(parts))):
            parts += part
        self.last = bytes(parts)
        if self._headers is not None and size > tarfile.BLOCKSIZE and _DIGITS.search(parts):
            raise Damaged
        return self.last

    def next_member(self) -> None:
        """The headers read so far belonged to the one before."""
        self._of_member = 0

    def drain(self) -> None:
        """To the end, where compressed data says whether it is whole."""
        while self._take(BLOCK):
            pass

    def _take(self, size: int) -> bytes:
        """Up to `size` of the next bytes, none at the end."""
        while not self._waiting:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._waiting = block
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        self._position += len(part)
        if self._position > self._limit:
            raise Rejected(_large_stream(self._limit))
        return part


def _members(stream: _Stream) -> Iterator[Member]:
    with tarfile.TarFile(fileobj=cast(IO[bytes], stream)) as file:
        while (info := file.next()) is not None:
            if len(file.pax_headers) > _MAX_GLOBAL_HEADERS:
                raise Rejected(_large_headers())
            yield Member(info.name, info.size, _kind(info))
            # tarfile remembers them all, with their headers.
            file.members.clear()  # type: ignore[attr-defined]
            stream.next_member()
    if stream.last.strip(b"\0"):
        raise Damaged  # a header that is none: tarfile stops there without a word


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir():
        return "folder"
    if info.issym() or info.islnk():
        return "link"
    if info.issparse():
        return "sparse"
    return "file" if info.isreg() else "other"


def _decompressed(raw: io.FileIO) -> Iterator[bytes]:
    """The tar archive in `raw`, by what it begins with and not by its name."""
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
    """lzma.open takes no limit, and a header of a few bytes can ask for gigabytes."""
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


def _large_headers() -> Text:
    return Text(
        en="The archive spends more bytes on names and attributes than any project needs; pack "
        "the folder again as a .zip.",
        ru="На имена и атрибуты в архиве уходит больше байт, чем нужно любому проекту; упакуйте "
        "папку заново в .zip.",
    )


def _large_stream(limit: int) -> Text:
    return Text(
        en=f"The archive unpacks to more than {limit:,} bytes; leave data and checkpoints out.",
        ru=f"Архив распаковывается больше чем в {ru_number(limit)} байт; не включайте данные и "
        "чекпойнты.",
    )
