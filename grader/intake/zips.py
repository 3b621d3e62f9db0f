"""Zip archives: one student's, unpacked as a whole, and a class's, split by student.

Uses zipfile from the standard library, over a file with bounded reads: zipfile reads the whole
directory of an archive before it says what is in it, and unpacks bzip2 and LZMA members in pieces
of any size.

What one student put into a class's archive may break every rule of intake. That student's members
are then copied into an archive of their own without being unpacked, so that intake refuses it with
the same sentence as any other archive.
"""

from __future__ import annotations

import io
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from grader.intake.members import Damaged, Kind, Member, files_to_unpack, write
from grader.intake.rules import IGNORED_PARTS, archive_suffix
from grader.lesson.spec import Intake
from grader.text.errors import Rejected, UsageError
from grader.text.untrusted import quoted

MAX_DIRECTORY_BYTES = 4 * 2**20
"""The largest read: an archive's table of contents."""
_LOCAL = struct.Struct("<4s5H3I2H")
"""Local file header: signature, ..., lengths of the name and of the extra field."""
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_UTF8 = 0x800
_LARGEST = 0xFFFFFFFE
"""Written instead of larger sizes, which no submission may have anyway."""
_UNSUPPORTED_FLAGS = 0x1 | 0x20 | 0x40 | 0x2000
"""Encrypted (three ways) or a patch."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unpack_zip(raw: io.FileIO, folder: Path, rules: Intake) -> None:
    """Unpack the zip archive in `raw` into the empty `folder`. Raises Rejected or Damaged, and
    what zipfile raises; checks everything before it writes."""
    bounded = _BoundedReader(raw)
    try:
        with zipfile.ZipFile(bounded) as file:
            infos = file.infolist()
            planned = files_to_unpack(
                (Member(info.filename, info.file_size, _kind(info)) for info in infos), rules
            )
            for info in infos:
                _require_supported(info)
            _require_disjoint(bounded, infos, file.start_dir)
            for each in planned:
                with file.open(infos[each.index]) as source:
                    write(folder / each.path, source, each.size)
    finally:
        bounded.detach()  # otherwise it would close `raw`


class ClassZip:
    """The opened archive of a class. Raises UsageError when the file is not a zip archive.

    `is_labeled` tells whether the name of an entry is one that an LMS gives to a student's files or
    folder; it is used to recognize a folder that wraps all others."""

    def __init__(self, path: Path, is_labeled: Callable[[str], bool]) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UsageError(
                "{path} is no zip archive or is damaged ({error}); download it again.",
                path=path,
                error=error,
            ) from error
        self._infos = self._file.infolist()
        # Relative, whatever the name begins with; without parts for a name of the folder itself.
        paths = [
            PurePosixPath(info.filename.replace("\\", "/").lstrip("/")) for info in self._infos
        ]
        self.members: list[tuple[int, PurePosixPath]] = [
            (index, path)
            for index, path in enumerate(_below_wrapper(paths, is_labeled))
            if path.parts and not _is_hidden(path)
        ]
        """Each file or folder by its index, and its path below a folder that wraps them all."""

    def __enter__(self) -> ClassZip:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def unpack(self, members: Sequence[tuple[int, str]], folder: Path, rules: Intake) -> Path:
        """Write members, given by index and new name, into a new `folder`; or, when intake would
        refuse them or they cannot be read, packed into an archive beside it. Returns the path of
        what was written."""
        shutil.rmtree(folder, ignore_errors=True)
        archive = folder.with_name(f"{folder.name}.zip")
        archive.unlink(missing_ok=True)
        infos = [self._infos[index] for index, _ in members]
        named = [
            Member(name or ".", info.file_size, _kind(info))
            for info, (_, name) in zip(infos, members, strict=True)
        ]
        folder.mkdir(parents=True)
        try:
            for info in infos:
                _require_supported(info)
            for each in files_to_unpack(named, rules):
                with self._file.open(infos[each.index]) as source:
                    write(folder / each.path, source, each.size)
        except (Rejected, Damaged, zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError):
            shutil.rmtree(folder, ignore_errors=True)
            self._copy(members, archive, rules)
            return archive
        return folder

    def _copy(self, members: Sequence[tuple[int, str]], path: Path, rules: Intake) -> None:
        """Copy members into a new archive without unpacking them."""
        directory = io.BytesIO()
        with path.open("wb") as file:
            for index, name in members:
                info = self._infos[index]
                large = max(info.file_size, info.compress_size) > rules.max_total_bytes
                raw = b"" if large else self._packed(info)
                encoded = (name + "/" * info.is_dir()).encode("utf-8", "surrogateescape")[:0xFFFF]
                sizes = (info.CRC, len(raw), min(info.file_size, _LARGEST))
                flags = (info.flag_bits & ~0x8) | _UTF8
                common = (flags, info.compress_type, 0, 0x21, *sizes, len(encoded))
                at = min(file.tell(), _LARGEST)
                file.write(_LOCAL.pack(b"PK\3\4", 20, *common, 0) + encoded + raw)
                entry = (*common, 0, 0, 0, 0, info.external_attr, at)
                directory.write(_CENTRAL.pack(b"PK\1\2", 0x314, 20, *entry) + encoded)
            start, count = min(file.tell(), _LARGEST), min(len(members), 0xFFFE)
            file.write(directory.getvalue())
            file.write(_END.pack(b"PK\5\6", 0, 0, count, count, directory.tell(), start, 0))

    def _packed(self, info: zipfile.ZipInfo) -> bytes:
        """The member's compressed bytes."""
        with self.path.open("rb") as raw:
            raw.seek(info.header_offset)
            header = raw.read(_LOCAL.size)
            if len(header) < _LOCAL.size:
                return b""
            *_, name, extra = _LOCAL.unpack(header)
            raw.seek(info.header_offset + _LOCAL.size + name + extra)
            return raw.read(info.compress_size)


class _BoundedReader(io.BufferedReader):
    """A file that refuses to be read in pieces larger than a table of contents may be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            place = self.tell()
            size = self.seek(0, io.SEEK_END) - place
            self.seek(place)
        if size > MAX_DIRECTORY_BYTES:
            raise Rejected(
                "The archive's table of contents is larger than that of any project; pack the "
                "folder again."
            )
        return super().read(size)


def _kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16
    if info.filename.endswith(("/", "\\")):  # some Windows tools write the latter
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "other"


def _require_supported(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _UNSUPPORTED_FLAGS:
        raise Damaged
    if info.compress_type not in _METHODS:
        name, method = quoted(info.filename), info.compress_type
        raise Rejected(
            "The archive holds {name} packed by method {method}; pack the folder as an ordinary "
            ".zip (deflate).",
            name=name,
            method=method,
        )


def _require_disjoint(file: _BoundedReader, infos: list[zipfile.ZipInfo], directory: int) -> None:
    """Raises Rejected when members share bytes: with a few kilobytes that many members unpack, an
    archive can unpack to terabytes (Fifield, A better zip bomb, 2019)."""
    spans = [(directory, directory, "")]
    for info in infos:
        file.seek(info.header_offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise Damaged
        *_, name, extra = _LOCAL.unpack(header)
        data = info.header_offset + _LOCAL.size + name + extra
        spans.append((info.header_offset, data + info.compress_size, info.filename))
    for (_, end, shared), (start, _, _) in pairwise(sorted(spans)):
        if end > start:
            raise Rejected(
                "The archive holds {shared} in the same bytes as another member; pack the folder "
                "again.",
                shared=quoted(shared),
            )


def _is_hidden(path: PurePosixPath) -> bool:
    return path.parts[0].startswith(".") or path.parts[0] in IGNORED_PARTS


def _below_wrapper(
    paths: list[PurePosixPath], is_labeled: Callable[[str], bool]
) -> list[PurePosixPath]:
    """The paths without the one folder that some programs put around everything. The folder of a
    single student is not one: an LMS named it, or it holds mostly loose files."""
    visible = [path for path in paths if path.parts and not _is_hidden(path)]
    tops = {path.parts[0] for path in visible}
    if len(tops) != 1 or is_labeled(tops.pop()):
        return paths
    inner = [path.parts[1:] for path in visible if len(path.parts) > 1]
    students = {
        parts[0]
        for parts in inner
        if len(parts) > 1 or archive_suffix(PurePosixPath(parts[0])) or is_labeled(parts[0])
    }
    loose = {parts[0] for parts in inner} - students
    if not students or len(loose) > len(students):
        return paths
    return [
        PurePosixPath() if not path.parts or _is_hidden(path) else PurePosixPath(*path.parts[1:])
        for path in paths
    ]
