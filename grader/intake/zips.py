"""Zip archives, by zipfile from the standard library, which reads only what is bounded here.

zipfile reads the whole directory of an archive before it says what is in it, and unpacks bzip2
and LZMA members in pieces of any size.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from itertools import pairwise
from pathlib import Path

from grader.intake.members import Damaged, Kind, Member, judge, write
from grader.lesson.spec import Intake
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

MAX_DIRECTORY_BYTES = 4 * 2**20
"""The largest read: an archive's table of contents."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, and the lengths of the name and of the extra field."""
_UNSUPPORTED_FLAGS = 0x1 | 0x20 | 0x40 | 0x2000
"""Encrypted (three ways) or a patch."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unpack_zip(raw: io.FileIO, folder: Path, rules: Intake) -> None:
    """Unpack the zip archive in `raw` into the empty `folder`. Raises Rejected or Damaged, and
    what zipfile raises; judges everything before it writes."""
    bounded = _Bounded(raw)
    try:
        with zipfile.ZipFile(bounded) as file:
            _unpack(file, bounded, folder, rules)
    finally:
        bounded.detach()  # or it would close the file


def _unpack(file: zipfile.ZipFile, raw: _Bounded, folder: Path, rules: Intake) -> None:
    infos = file.infolist()
    wanted = judge(map(_member, infos), rules)
    for info in infos:
        _require_plain(info)
    _require_apart(raw, infos, file.start_dir)
    for each in wanted:
        with file.open(infos[each.index]) as source:
            write(folder / each.path, source, each.size)


class _Bounded(io.BufferedReader):
    """A file that refuses to be read in pieces larger than a table of contents may be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            place = self.tell()
            size = self.seek(0, io.SEEK_END) - place
            self.seek(place)
        if size > MAX_DIRECTORY_BYTES:
            raise Rejected(_large_directory())
        return super().read(size)


def kind_of(info: zipfile.ZipInfo) -> Kind:
    """What a member of an archive is."""
    mode = info.external_attr >> 16
    if info.filename.endswith(("/", "\\")):  # some Windows tools write the latter
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "other"


def is_supported(info: zipfile.ZipInfo) -> bool:
    """False for what is encrypted or packed in an unusual way."""
    return not info.flag_bits & _UNSUPPORTED_FLAGS and info.compress_type in _METHODS


def _member(info: zipfile.ZipInfo) -> Member:
    return Member(info.filename, info.file_size, kind_of(info))


def _require_plain(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _UNSUPPORTED_FLAGS:
        raise Damaged
    if info.compress_type not in _METHODS:
        raise Rejected(_unusual_method(info.filename, info.compress_type))


def _require_apart(file: _Bounded, infos: list[zipfile.ZipInfo], directory: int) -> None:
    """Raises Rejected when members share bytes: a few kilobytes that many members unpack are how
    an archive becomes terabytes (Fifield, A better zip bomb, 2019)."""
    spans = [(directory, directory, "")]
    for info in infos:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
            raise Damaged
        _, name, extra = _LOCAL_HEADER.unpack(header)
        data = info.header_offset + _LOCAL_HEADER.size + name + extra
        spans.append((info.header_offset, data + info.compress_size, info.filename))
    for (_, end, name), (start, _, _) in pairwise(sorted(spans)):
        if end > start:
            raise Rejected(_overlap(name))


def _large_directory() -> Text:
    return Text(
        en="The archive's table of contents is larger than that of any project; pack the folder "
        "again.",
        ru="Оглавление архива больше, чем бывает у любого проекта; упакуйте папку заново.",
    )


def _unusual_method(name: str, method: int) -> Text:
    return Text(
        en=f"The archive holds {quoted(name)} packed by method {method}; pack the folder as an "
        "ordinary .zip (deflate).",
        ru=f"В архиве файл {quoted(name)} сжат методом {method}; упакуйте папку в обычный .zip "
        "(deflate).",
    )


def _overlap(name: str) -> Text:
    return Text(
        en=f"The archive holds {quoted(name)} in the same bytes as another member; pack the folder "
        "again.",
        ru=f"В архиве файл {quoted(name)} занимает те же байты, что и другой; упакуйте папку "
        "заново.",
    )
