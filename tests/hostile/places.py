"""Hostile folders and archives for the distillation lesson: what intake has to judge.

Each function writes one submission to `place`, a path that does not exist yet; `SUFFIX` says what
its name ends in. Most would earn full marks if their attack went unnoticed.
"""

from __future__ import annotations

import io
import os
import socket
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.hostile.models import REFERENCE

SUFFIX: dict[str, str] = {}
"""Of the attacks that are archives."""


def build(name: str, folder: Path, stem: str) -> Path:
    """Write the attack called `name` into `folder`; the path of what was written."""
    place = folder / f"{stem}{SUFFIX.get(name, '')}"
    ATTACKS[name](place)
    return place


def _archive(suffix: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def note(function: Callable[[Path], None]) -> Callable[[Path], None]:
        SUFFIX[function.__name__] = suffix
        return function

    return note


# Zip --------------------------------------------------------------------------------------------


@_archive(".zip")
def zip_bomb(place: Path) -> None:
    """Seventy megabytes of zeros in seventy kilobytes."""
    with _zip(place) as archive:
        archive.writestr("zeros.bin", bytes(70 * 2**20))


@_archive(".zip")
def zip_bomb_of_files(place: Path) -> None:
    """Five files of 60 MB of zeros: each allowed, all together not."""
    zeros = bytes(60 * 2**20)
    with _zip(place) as archive:
        for number in range(5):
            archive.writestr(f"{number}.bin", zeros)


@_archive(".zip")
def zip_bomb_that_lies(place: Path) -> None:
    """Says that it holds ten bytes and holds fifty megabytes."""
    with _zip(place) as archive:
        archive.writestr("zeros.bin", bytes(50 * 2**20))
    _patch(place, struct.pack("<I", 50 * 2**20), struct.pack("<I", 10))


@_archive(".zip")
def zip_overlapping(place: Path) -> None:
    """Twenty entries that all point at the same compressed bytes."""
    with _zip(place) as archive:
        archive.writestr("zeros.bin", bytes(20 * 2**20))
        first = archive.filelist[0]
        for number in range(20):
            copy = zipfile.ZipInfo(f"copy{number}.bin")
            for field in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy


@_archive(".zip")
def zip_slip(place: Path) -> None:
    """Writes above its folder with `..`."""
    _zip_named(place, "../left-behind.txt")


@_archive(".zip")
def zip_slip_hidden(place: Path) -> None:
    """Hides `..` in the middle of a path."""
    _zip_named(place, "a/b/../../../left-behind.txt")


@_archive(".zip")
def zip_slip_backslashes(place: Path) -> None:
    """Writes above its folder with the separators of Windows."""
    _zip_named(place, "..\\..\\left-behind.txt")


@_archive(".zip")
def zip_absolute_path(place: Path) -> None:
    """Names an absolute path."""
    _zip_named(place, "/tmp/left-behind.txt")


@_archive(".zip")
def zip_drive(place: Path) -> None:
    """Names a drive of Windows."""
    _zip_named(place, "C:/left-behind.txt")


@_archive(".zip")
def zip_link(place: Path) -> None:
    """Holds a symbolic link instead of a model."""
    _zip_mode(place, stat.S_IFLNK | 0o777, "model.onnx", str(REFERENCE).encode())


@_archive(".zip")
def zip_device(place: Path) -> None:
    """Holds a block device."""
    _zip_mode(place, stat.S_IFBLK | 0o666, "model.onnx", b"")


@_archive(".zip")
def zip_same_name_twice(place: Path) -> None:
    """Holds two models of one name: which one is graded?"""
    with _zip(place) as archive:
        archive.write(REFERENCE, "model.onnx")
        archive.writestr("modelXonnx", b"other")  # renamed afterwards: zipfile would warn
    _patch(place, b"modelXonnx", b"model.onnx")


@_archive(".zip")
def zip_same_name_but_for_case(place: Path) -> None:
    """Holds model.onnx and MODEL.ONNX, which some disks take for one."""
    with _zip(place) as archive:
        archive.write(REFERENCE, "model.onnx")
        archive.writestr("MODEL.ONNX", b"other")


@_archive(".zip")
def zip_huge_name(place: Path) -> None:
    """Holds a name of sixty thousand characters."""
    _zip_named(place, "n" * 60_000)


@_archive(".zip")
def zip_many_files(place: Path) -> None:
    """Holds five thousand files."""
    with _zip(place) as archive:
        for number in range(5000):
            archive.writestr(f"{number}.txt", b"")


@_archive(".zip")
def zip_in_zip(place: Path) -> None:
    """Holds an archive, to be unpacked for ever."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(REFERENCE, "model.onnx")
    with _zip(place) as archive:
        archive.writestr("homework.zip", inner.getvalue())


@_archive(".zip")
def zip_in_zip_in_zip(place: Path) -> None:
    """Holds an archive in an archive, forty deep."""
    _nested(place, "model.onnx", REFERENCE.read_bytes(), 40)


@_archive(".zip")
def zip_bomb_in_zip(place: Path) -> None:
    """Hides seventy megabytes of zeros in an archive within the archive."""
    _nested(place, "model.onnx", bytes(70 * 2**20), 2)


@_archive(".zip")
def zip_encrypted(place: Path) -> None:
    """Says that its members are encrypted."""
    with _zip(place) as archive:
        archive.write(REFERENCE, "model.onnx")
    raw = bytearray(place.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.index(mark) + offset] |= 1
    place.write_bytes(raw)


@_archive(".zip")
def zip_file_and_folder(place: Path) -> None:
    """Holds a file and, inside that file, another."""
    with _zip(place) as archive:
        archive.writestr("model.onnx", b"file")
        archive.write(REFERENCE, "model.onnx/model.onnx")


@_archive(".zip")
def zip_with_null_in_a_name(place: Path) -> None:
    """Ends a name with a null byte, where C would stop reading and Python would not."""
    with _zip(place) as archive:
        archive.write(REFERENCE, "model.onnx")
        archive.writestr("modelXonnx.py", b"")
    _patch(place, b"modelXonnx.py", b"model\0onnx.py")


@_archive(".zip")
def zip_cut_short(place: Path) -> None:
    """Ends in the middle."""
    with _zip(place) as archive:
        archive.write(REFERENCE, "model.onnx")
    place.write_bytes(place.read_bytes()[:-100])


@_archive(".zip")
def zip_that_is_none(place: Path) -> None:
    """Is text with the name of an archive."""
    place.write_text("hello " * 1000, encoding="utf-8")


# Tar --------------------------------------------------------------------------------------------


@_archive(".tar.gz")
def tar_bomb(place: Path) -> None:
    """Three hundred megabytes of zeros, compressed a thousandfold."""
    with tarfile.open(place, "w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("zeros.bin")
        member.size = 300 * 2**20
        archive.addfile(member, _Zeros(member.size))


@_archive(".tar")
def tar_slip(place: Path) -> None:
    """Writes above its folder with `..`."""
    _tar(place, _member("../left-behind.txt", b"hostile"))


@_archive(".tar")
def tar_absolute_path(place: Path) -> None:
    """Names an absolute path."""
    _tar(place, _member("/tmp/left-behind.txt", b"hostile"))


@_archive(".tar")
def tar_link(place: Path) -> None:
    """Holds a symbolic link, and a file that would be written through it."""
    link = _special("out", tarfile.SYMTYPE, linkname="/tmp")
    _tar(place, link, _member("out/left-behind.txt", b"hostile"))


@_archive(".tar")
def tar_hard_link(place: Path) -> None:
    """Holds a hard link to a file outside."""
    _tar(place, _special("model.onnx", tarfile.LNKTYPE, linkname=str(REFERENCE)))


@_archive(".tar")
def tar_device(place: Path) -> None:
    """Holds a device."""
    _tar(place, _special("model.onnx", tarfile.BLKTYPE))


@_archive(".tar")
def tar_pipe(place: Path) -> None:
    """Holds a pipe, which whoever opens it would wait at."""
    _tar(place, _special("model.onnx", tarfile.FIFOTYPE))


@_archive(".tar")
def tar_gigabyte_header(place: Path) -> None:
    """Declares an extended header of a gigabyte, to be read into memory."""
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    place.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10_240))


@_archive(".tar")
def tar_sparse(place: Path) -> None:
    """Declares a sparse file of a terabyte."""
    header = tarfile.TarInfo("model.onnx")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 512
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[386:410] = b"00000000000\x0000000001000\0"
    raw[483:495] = b"\x80" + (2**40).to_bytes(11, "big")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    place.write_bytes(bytes(raw) + bytes(10_240))


@_archive(".tar")
def tar_negative_size(place: Path) -> None:
    """Declares a size below zero, which sends a reader back to the start for ever."""
    header = tarfile.TarInfo("model.onnx")
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = b"\xff" + (2**88 - 1024).to_bytes(11, "big")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    place.write_bytes(bytes(raw) + bytes(10_240))


@_archive(".tar.xz")
def tar_that_is_none(place: Path) -> None:
    """Is noise with the name of an archive."""
    place.write_bytes(os.urandom(5000))


# Folders ----------------------------------------------------------------------------------------


def linked_model(place: Path) -> None:
    """Links model.onnx to the reference solution's."""
    place.mkdir()
    (place / "model.onnx").symlink_to(REFERENCE)


def linked_folder(place: Path) -> None:
    """Holds a link to the reference solution's folder."""
    place.mkdir()
    (place / "homework").symlink_to(REFERENCE.parent)


def whole_submission_is_a_link(place: Path) -> None:
    """Is itself a link, to the reference solution."""
    place.symlink_to(REFERENCE.parent)


def link_in_a_circle(place: Path) -> None:
    """Holds a link to its own parent, for whoever walks into it."""
    _with_model(place)
    (place / "again").symlink_to("..")


def hard_link(place: Path) -> None:
    """Has a second name of a file outside for a model: that file's copy, and graded as one."""
    place.mkdir()
    outside = place.parent.with_name("outside.onnx")
    outside.write_bytes(REFERENCE.read_bytes())
    (place / "model.onnx").hardlink_to(outside)


def pipe_for_a_model(place: Path) -> None:
    """Has a pipe in place of the model: reading it would wait for ever."""
    place.mkdir()
    os.mkfifo(place / "model.onnx")


def socket_beside_the_model(place: Path) -> None:
    """Has a socket beside the model."""
    _with_model(place)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(place)  # the path of a socket may have 108 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)


def folder_for_a_model(place: Path) -> None:
    """Has a folder of that name."""
    (place / "model.onnx").mkdir(parents=True)
    (place / "model.onnx" / "weights").write_bytes(b"x")


def two_models(place: Path) -> None:
    """Has two models in two folders: the better one counts?"""
    _with_model(place / "a")
    _with_model(place / "b")


def terabyte_of_nothing(place: Path) -> None:
    """Has a sparse file of a terabyte beside the model."""
    _with_model(place)
    with (place / "data.bin").open("wb") as file:
        file.truncate(2**40)


def many_files(place: Path) -> None:
    """Has three thousand files."""
    _with_model(place)
    for number in range(3000):
        (place / f"{number}.txt").touch()


def deep_folders(place: Path) -> None:
    """Nests folders until paths are too long for other programs."""
    _with_model(place)
    (place / "/".join(["d"] * 60)).mkdir(parents=True)
    (place / "/".join(["d"] * 60) / "file").touch()


def name_that_is_no_text(place: Path) -> None:
    """Has a file whose name is not UTF-8, with an escape code in it."""
    _with_model(place)
    (Path(os.fsdecode(os.fsencode(place) + b"/\xff\x1b[31m.txt"))).touch()


def name_that_is_a_command(place: Path) -> None:
    """Is called so that a shell, a terminal or a page that shows the name runs it."""
    _with_model(place.with_name(f"{place.name}<b>$(touch left-behind);\x1b[2J\n=1+1"))


def unreadable_model(place: Path) -> None:
    """Has a model that its owner may not read."""
    _with_model(place)
    (place / "model.onnx").chmod(0)


def checkpoint_instead(place: Path) -> None:
    """Hands in a checkpoint, which is a pickle and runs a command when it is loaded."""
    place.mkdir()
    (place / "model.pt").write_bytes(b"cposix\nsystem\n(S'touch /tmp/left-behind-pickle'\ntR.")


def table_of_millions(place: Path) -> None:
    """Has an experiments.csv of a million lines, one of them enormous."""
    _with_model(place)
    line = "name,1e-5,1000,1000\n"
    text = "name,au_fa_fr,macs,bytes\n" + line * 10**6 + "x" * 10**7 + ",1,1,1\n"
    (place / "experiments.csv").write_text(text, encoding="utf-8")


def table_with_formulas(place: Path) -> None:
    """Has an experiments.csv with spreadsheet formulas, scripts, nulls and impossible numbers."""
    _with_model(place)
    (place / "experiments.csv").write_bytes(
        b"name,au_fa_fr,macs,bytes\n"
        b'=HYPERLINK("http://localhost"),1e-5,1000,1000\n'
        b"<script>alert(1)</script>,nan,inf,-1\n"
        b"a\0b,1e999,1e-999,0x10\n"
        b"\x1b[2J\xff\xfe,1,1,1\n"
    )


def python_beside_the_model(place: Path) -> None:
    """Has Python beside the model under every name that something might import: nothing does."""
    _with_model(place)
    for name in ("conftest", "sitecustomize", "numpy", "onnxruntime", "model", "grader", "setup"):
        (place / f"{name}.py").write_text(
            "open('/tmp/left-behind-import', 'w').close()\n", encoding="utf-8"
        )


ATTACKS: dict[str, Callable[[Path], None]] = {
    name: made
    for name, made in list(globals().items())
    if getattr(made, "__module__", "") == __name__ and name[0] != "_" and name != "build"
}


# Helpers ----------------------------------------------------------------------------------------


class _Zeros(io.RawIOBase):
    """A file of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def _with_model(place: Path) -> None:
    place.mkdir(parents=True)
    for path in (REFERENCE, REFERENCE.with_name("experiments.csv")):
        (place / path.name).write_bytes(path.read_bytes())


def _zip(place: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1)


def _nested(place: Path, name: str, content: bytes, depth: int) -> None:
    for _ in range(depth):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(name, content)
        name, content = "homework.zip", packed.getvalue()
    place.write_bytes(content)


def _zip_named(place: Path, name: str) -> None:
    """The reference's model, and a file of this name as it stands."""
    with _zip(place) as archive:
        archive.write(REFERENCE, "model.onnx")
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        archive.writestr(info, b"hostile")


def _zip_mode(place: Path, mode: int, name: str, content: bytes) -> None:
    with _zip(place) as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, content)


def _patch(place: Path, old: bytes, new: bytes) -> None:
    raw = place.read_bytes()
    assert old in raw
    place.write_bytes(raw.replace(old, new))


def _member(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def _special(name: str, kind: bytes, linkname: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info, b""


def _tar(place: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    """The reference's model where no member has its name, and the members."""
    with tarfile.open(place, "w") as archive:
        if all(info.name != "model.onnx" for info, _ in members):
            archive.add(REFERENCE, "model.onnx")
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
