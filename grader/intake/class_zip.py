"""The zip that an LMS makes of a whole class: each student's members go to a folder of their own.

What one student put into it may break every rule of intake. Then that student's members are copied,
unopened, into an archive, and intake refuses it with the sentence that it has for any archive.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType

from grader.intake.members import Damaged, Kind, Member, judge, write
from grader.intake.rules import IGNORED_PARTS
from grader.intake.zips import is_supported, kind_of
from grader.lesson.spec import Intake
from grader.text import Text
from grader.text.errors import Rejected, UsageError

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_UTF8 = 0x800
_MOST = 0xFFFFFFFE
"""Sizes beyond are written as this: far more than a submission may have."""


class ClassZip:
    """An opened download. Raises UsageError when the file is no zip archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UsageError(
                Text(
                    en=f"{path} is no zip archive or is damaged ({error}); download it again.",
                    ru=f"{path} — не zip-архив или он повреждён ({error}); скачайте его ещё раз.",
                )
            ) from error
        self.infos = self._file.infolist()
        self._paths = _below_wrapper([_path(info.filename) for info in self.infos])

    def __enter__(self) -> ClassZip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def entries(self) -> list[str]:
        """Names at the top, below a folder that wraps them all."""
        return sorted({path.parts[0] for _, path in self.members()})

    def members(self) -> Iterator[tuple[int, PurePosixPath]]:
        """Each file or folder by its number, and where it lies below the wrapper."""
        for index, path in enumerate(self._paths):
            if path is not None and path.parts and not _hidden(path):
                yield index, path

    def top(self, index: int) -> str:
        path = self._paths[index]
        assert path is not None
        return path.parts[0]

    def kind(self, index: int) -> Kind:
        return kind_of(self.infos[index])

    def open(self, index: int) -> zipfile.ZipExtFile:
        return self._file.open(self.infos[index])  # type: ignore[return-value]

    def packed(self, index: int) -> bytes:
        """The member's bytes as they lie in the archive, still compressed."""
        info = self.infos[index]
        with self.path.open("rb") as raw:
            raw.seek(info.header_offset)
            header = raw.read(_LOCAL.size)
            if len(header) < _LOCAL.size:
                return b""
            *_, name, extra = _LOCAL.unpack(header)
            raw.seek(info.header_offset + _LOCAL.size + name + extra)
            return raw.read(info.compress_size)


def unpacked(
    archive: ClassZip, members: Sequence[tuple[int, str]], folder: Path, rules: Intake
) -> Path:
    """The members in a new `folder`, under the names given; or, where intake would refuse them or
    they cannot be read, unopened in an archive beside it. The path of what was written."""
    shutil.rmtree(folder, ignore_errors=True)
    sealed = folder.with_name(f"{folder.name}.zip")
    sealed.unlink(missing_ok=True)
    named = [
        Member(inner or ".", archive.infos[index].file_size, archive.kind(index))
        for index, inner in members
    ]
    folder.mkdir(parents=True)
    try:
        if not all(is_supported(archive.infos[index]) for index, _ in members):
            raise Damaged
        for wanted in judge(named, rules):
            with archive.open(members[wanted.index][0]) as source:
                write(folder / wanted.path, source, wanted.size)
    except (Rejected, Damaged, zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError):
        shutil.rmtree(folder, ignore_errors=True)
        _seal(archive, members, sealed, rules)
        return sealed
    return folder


def _seal(archive: ClassZip, members: Sequence[tuple[int, str]], path: Path, rules: Intake) -> None:
    """The members as an archive of their own, without unpacking one of them."""
    directory = io.BytesIO()
    with path.open("wb") as file:
        for index, inner in members:
            info = archive.infos[index]
            large = max(info.file_size, info.compress_size) > rules.max_total_bytes
            raw = b"" if large else archive.packed(index)
            name = (inner + "/" * info.is_dir()).encode("utf-8", "surrogateescape")[:0xFFFF]
            sizes = (info.CRC, len(raw), min(info.file_size, _MOST))
            flags = (info.flag_bits & ~0x8) | _UTF8
            common = (flags, info.compress_type, 0, 0x21, *sizes, len(name))
            at = file.tell()
            file.write(_LOCAL.pack(b"PK\3\4", 20, *common, 0) + name + raw)
            directory.write(
                _CENTRAL.pack(
                    b"PK\1\2", 0x314, 20, *common, 0, 0, 0, 0, info.external_attr, min(at, _MOST)
                )
                + name
            )
        start, entries = file.tell(), min(len(members), 0xFFFE)
        file.write(directory.getvalue())
        file.write(
            _END.pack(b"PK\5\6", 0, 0, entries, entries, directory.tell(), min(start, _MOST), 0)
        )


def _path(name: str) -> PurePosixPath | None:
    """Where a member lies, None for one that lies nowhere."""
    with contextlib.suppress(ValueError):
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        return PurePosixPath(*parts) if parts else None
    return None


def _hidden(path: PurePosixPath) -> bool:
    return path.parts[0].startswith(".") or path.parts[0] in IGNORED_PARTS


def _below_wrapper(paths: list[PurePosixPath | None]) -> list[PurePosixPath | None]:
    """Without the one folder that some programs put around everything. A single student's folder
    is none: it is called as an LMS calls it, or holds files and no folders or archives."""
    from grader.intake import downloads
    from grader.intake.archives import archive_suffix

    known = [path for path in paths if path is not None and not _hidden(path)]
    tops = {path.parts[0] for path in known}
    if len(tops) != 1 or any(downloads.moodle(top) or downloads.canvas(top) for top in tops):
        return paths
    inner = [path.parts[1:] for path in known if len(path.parts) > 1]
    students = {
        parts[0]
        for parts in inner
        if len(parts) > 1 or archive_suffix(PurePosixPath(parts[0])) or downloads.canvas(parts[0])
    }
    loose = {parts[0] for parts in inner} - students
    if not students or len(loose) > len(students):
        return paths
    return [
        PurePosixPath(*path.parts[1:])
        if path is not None and len(path.parts) > 1 and not _hidden(path)
        else None
        for path in paths
    ]
