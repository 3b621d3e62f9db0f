"""Archives: unpacked exactly, or refused by name in bounded time and memory."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grader.intake import open_submission
from grader.intake.archives import unpack
from grader.intake.listing import open_file
from grader.intake.rules import ignored
from grader.text.errors import Rejected
from tests.intake.packing import RULES, make_tar, make_zip, refusal

LIMITED = """
import resource, sys
from pathlib import Path
from grader.text.errors import Rejected
from grader.intake import open_submission
from grader.lesson.spec import Intake
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 160 * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
try:
    with open_submission(Path(sys.argv[1]), Intake(artefact="model.onnx")):
        print("accepted")
except Rejected as error:
    print(error.text)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


def unpacked(archive: Path, folder: Path) -> None:
    """Unpack into `folder` by the rules of these tests."""
    with open_file(archive.parent, PurePosixPath(archive.name)) as raw:
        unpack(raw, archive.name, folder, RULES)


def sentence_of(archive: Path) -> str:
    """What happens to the archive in a process of 160 MiB and 30 seconds, by the usual rules."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(archive)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout) < 400
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "..\\evil"])
def test_zip_member_outside_the_folder_is_refused_and_nothing_written(
    tmp_path: Path, name: str
) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"m", name: b"x"})
    target = tmp_path / "inside" / "target"
    target.mkdir(parents=True)
    with pytest.raises(Rejected, match="outside"):
        unpacked(archive, target)
    assert list(target.iterdir()) == []
    assert not list(tmp_path.glob("**/evil"))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, word: str) -> None:
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, "/etc/passwd"
    sentence = refusal(make_tar(tmp_path / "s.tar.gz", (info, b"")))
    assert sentence.startswith("odd")
    assert word in sentence


def test_duplicate_member_is_refused(tmp_path: Path) -> None:
    archive = make_tar(
        tmp_path / "s.tar.gz",
        (tarfile.TarInfo("model.onnx"), b"1"),
        (tarfile.TarInfo("Model.onnx"), b"2"),
    )
    assert "twice" in refusal(archive)


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"0" * 5_000_000})
    assert archive.stat().st_size < 10_000
    assert "5,000,000 bytes" in refusal(archive)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", os.urandom(500)])
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar"])
def test_damaged_archive_gives_one_sentence(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"s{suffix}"
    path.write_bytes(content)
    sentence = refusal(path)
    assert "damaged" in sentence or "empty folder" in sentence


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(cut=0, flips=[(211, 1)])  # a central directory before the start of the file
@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 399), st.integers(1, 255))))
def test_any_damage_to_a_zip_gives_a_submission_or_a_sentence(
    tmp_path: Path, cut: int, flips: list[tuple[int, int]]
) -> None:
    whole = bytearray(
        make_zip(tmp_path / "w.zip", **{"model.onnx": b"m" * 40, "a/b.txt": b"t"}).read_bytes()
    )
    for position, mask in flips:
        whole[position % len(whole)] ^= mask
    path = tmp_path / "s.zip"
    path.write_bytes(bytes(whole[: max(1, len(whole) - cut)]))
    with contextlib.suppress(Rejected), open_submission(path, RULES) as submission:
        assert submission.has("model.onnx")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, 3000),
    flips=st.lists(st.tuples(st.integers(0, 1600), st.integers(1, 255)), max_size=6),
    pack=st.sampled_from([bytes, bytes, gzip.compress, bz2.compress, lzma.compress]),
)
def test_any_damage_to_a_tar_gives_a_submission_or_a_sentence(
    tmp_path: Path, cut: int, flips: list[tuple[int, int]], pack: Callable[[bytes], bytes]
) -> None:
    long_name = header(b"x", 200, tarfile.GNUTYPE_LONGNAME) + b"n" * 200 + bytes(312)
    whole = bytearray(pack(long_name + pax(b"12 comment=\n") + FILE + FILE[:100] + END))
    for position, mask in flips:
        whole[position % len(whole)] ^= mask
    path = tmp_path / "s.tar"
    path.write_bytes(bytes(whole[: max(1, len(whole) - cut)]))
    with contextlib.suppress(Rejected), open_submission(path, RULES) as submission:
        assert submission.has("model.onnx")


def test_file_where_another_member_needs_a_folder_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"m", "model.onnx/x": b""})
    assert "damaged" in refusal(archive)


def test_very_long_name_gives_a_short_sentence(tmp_path: Path) -> None:
    for name in ("n" * 5_000_000, "../" + "n" * 5_000_000, "/" * 5_000_000):
        archive = make_tar(tmp_path / "s.tar.gz", (tarfile.TarInfo(name), b""))
        assert len(refusal(archive)) < 300


def header(name: bytes, size: int, kind: bytes) -> bytes:
    """One tar header, whatever it claims."""
    info = tarfile.TarInfo(name.decode())
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(body: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header(b"x", len(body), kind) + body + bytes(-len(body) % 512)


FILE = header(b"model.onnx", 1, tarfile.REGTYPE) + b"m" + bytes(511)
END = bytes(1024)
HOSTILE_TARS = {
    "a name of 300 MB": (
        [header(b"x", 300 * 2**20, tarfile.GNUTYPE_LONGNAME), *[bytes(2**20)] * 300, FILE],
        "names and attributes",
    ),
    "attributes of 300 MB": (
        [header(b"x", 300 * 2**20, tarfile.XHDTYPE), *[b"1" * 2**20] * 300, FILE],
        "names and attributes",
    ),
    "attributes of a negative size": (
        [header(b"x", -512, tarfile.XHDTYPE), *[bytes(2**20)] * 300],
        "damaged",
    ),
    "attributes that repeat each other": ([pax(b"2 " * 8000 + b"=") * 400, FILE], "names and"),
    "attributes for all members": (
        [
            pax(b"".join(b"%d k%d=v\n" % (len(b"%d" % n) + 7, n) for n in range(100, 900)), b"g"),
            *[FILE] * 3,
        ],
        "names and attributes",
    ),
    "attributes of digits": ([pax(b"1" * 15_000) * 1000, FILE], "damaged"),
    "a chain of names": ([pax(b"12 comment=\n") * 5000, FILE], "names and attributes"),
    "a million folders": (
        [header(b"d", 0, tarfile.DIRTYPE) * 1000] * 1000,
        "more than 8,000 files",
    ),
    "folders that hold bytes": (
        [header(b"__MACOSX/x", 2**33 - 512, tarfile.REGTYPE), *[bytes(2**20)] * 600],
        "unpacks to more than",
    ),
    "a member before itself": ([header(b"a", -512, tarfile.REGTYPE), FILE, END], "damaged"),
    "a sparse file": ([header(b"a", 0, tarfile.GNUTYPE_SPARSE), FILE, END], "a as a sparse file"),
    "a header of noise": ([FILE, b"\x01" * 512, FILE.replace(b"model", b"other"), END], "damaged"),
}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE_TARS)
def test_hostile_tar_is_refused_in_bounded_memory_and_time(tmp_path: Path, name: str) -> None:
    blocks, words = HOSTILE_TARS[name]
    archive = tmp_path / "s.tar.gz"
    with gzip.open(archive, "wb", 1) as file:
        for block in blocks:
            file.write(block)
    assert words in sentence_of(archive)


def entry(name: bytes, offset: int, packed: int, size: int, method: int = 8) -> bytes:
    """One entry of a zip archive's directory, whatever it claims."""
    fields = (20, 20, 0, method, 0, 33, 0, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", *fields) + name


def local(name: bytes, packed: int, size: int, crc: int = 0, method: int = 8) -> bytes:
    fields = (20, 0, method, 0, 33, crc, packed, size, len(name), 0)
    return struct.pack("<4sHHHHHLLLHH", b"PK\3\4", *fields) + name


def end(count: int, size: int, offset: int, comment: int = 0) -> bytes:
    fields = (0, 0, min(count, 65535), min(count, 65535), size, offset, comment)
    return struct.pack("<4sHHHHLLH", b"PK\5\6", *fields)


def shared_block(quoted: bool) -> bytes:
    """A hundred members that unpack one block: at one header, or (quoted) each header a part of
    the data of the one before."""
    body = zlib.compress(bytes(10**6), 9)[2:-4]
    names = [b"%02d" % number for number in range(100)]
    data, offsets, lengths = b"", [], []
    if quoted:
        for name in names:
            offsets.append(len(data))
            data += local(name, 0, 10**6)
        data += body
        lengths = [len(data) - offset - 32 for offset in offsets]
    else:
        data = local(b"00", len(body), 10**6) + body
        offsets, lengths = [0] * 100, [len(body)] * 100
    directory = b"".join(map(entry, names, offsets, lengths, [10**6] * 100))
    return data + directory + end(100, len(directory), len(data))


def zip64(count: int, size: int) -> bytes:
    """An archive whose 64-bit end record lies about its directory."""
    record = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 1000, 1)
    return bytes(1000) + record + locator + end(65535, 2**32 - 1, 2**32 - 1)


def many_entries(count: int, name: bytes) -> bytes:
    directory = entry(name, 0, 0, 0) * count
    return directory + end(count, len(directory), 0)


HOSTILE_ZIPS = {
    "members that share a header": (lambda: shared_block(False), "same bytes as another"),
    "members that quote each other": (lambda: shared_block(True), "same bytes as another"),
    "two million entries": (lambda: many_entries(2_000_000, b"a/"), "table of contents"),
    "eighty thousand entries": (lambda: many_entries(80_000, b"a/"), "more than 8,000"),
    "a directory of exabytes": (lambda: zip64(2**60, 2**60), "damaged"),
    "a count of exabytes": (lambda: zip64(2**60, 0), "empty folder"),
    "a comment to the end": (lambda: bytes(200_000) + end(1, 46, 0, 65535), "damaged"),
    "a member in the directory": (
        lambda: local(b"a", 0, 0) + entry(b"a", 0, 10, 10) + end(1, 47, 31),
        "same bytes as another",
    ),
    "a member nowhere": (lambda: entry(b"a", 2**31, 10, 10) + end(1, 47, 0), "damaged"),
}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE_ZIPS)
def test_hostile_zip_is_refused_in_bounded_memory_and_time(tmp_path: Path, name: str) -> None:
    build, words = HOSTILE_ZIPS[name]
    archive = tmp_path / "s.zip"
    archive.write_bytes(build())
    assert words in sentence_of(archive)


@linux
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_that_unpacks_in_pieces_of_any_size_is_refused(tmp_path: Path, method: int) -> None:
    archive = tmp_path / "s.zip"
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr("model.onnx", bytes(60_000_000))
    assert f"method {method}" in sentence_of(archive)


@linux
def test_xz_that_requests_gigabytes_is_refused(tmp_path: Path) -> None:
    raw = bytearray(lzma.compress(FILE + END))
    assert raw[14:16] == b"\x21\x01"  # the filter LZMA2, whose one property is its window
    raw[16] = 40
    raw[20:24] = struct.pack("<L", zlib.crc32(raw[12:20]))
    archive = tmp_path / "s.tar.xz"
    archive.write_bytes(raw)
    with pytest.raises(lzma.LZMAError, match="Memory"):
        lzma.decompress(bytes(raw), memlimit=2**30)
    assert "damaged" in sentence_of(archive)


def test_archive_larger_than_its_contents_may_be_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "s.zip"
    archive.write_bytes(bytes(30_001))
    assert "30,001 bytes, at most 30,000" in refusal(archive)


@pytest.mark.parametrize(
    ("start", "kind"), [(b"Rar!\x1a\x07", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip")]
)
def test_archive_of_another_kind_says_what_it_is(tmp_path: Path, start: bytes, kind: str) -> None:
    archive = tmp_path / "s.zip"
    archive.write_bytes(start + bytes(100))
    assert f"is a {kind} archive" in refusal(archive)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
@pytest.mark.parametrize("name", ["s.tar", "s.tgz", "s.zip"])
def test_kind_of_an_archive_is_taken_from_its_contents(
    tmp_path: Path, pack: object, name: str
) -> None:
    if pack is bytes and name == "s.zip":
        pytest.skip("a tar archive has no first bytes of its own")
    archive = tmp_path / name
    archive.write_bytes(pack(FILE + END))  # type: ignore[operator]
    with open_submission(archive, RULES) as submission:
        assert submission.read("model.onnx") == b"m"


def test_streams_of_xz_may_follow_each_other(tmp_path: Path) -> None:
    archive = tmp_path / "s.tar.xz"
    whole = FILE + END
    archive.write_bytes(lzma.compress(whole[:700]) + bytes(4) + lzma.compress(whole[700:]))
    with open_submission(archive, RULES) as submission:
        assert submission.read("model.onnx") == b"m"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_archive_cut_short_is_damaged(tmp_path: Path, pack: object) -> None:
    archive = tmp_path / "s.tar.gz"
    packed = pack(FILE + END)  # type: ignore[operator]
    for cut in range(1, len(packed), 7):
        archive.write_bytes(packed[:-cut])
        assert "damaged" in refusal(archive)


def test_ignored_files_are_neither_unpacked_nor_counted(tmp_path: Path) -> None:
    link = tarfile.TarInfo(".venv/bin/python")
    link.type, link.linkname = tarfile.SYMTYPE, "/usr/bin/python3"
    members = [(tarfile.TarInfo("model.onnx"), b"m"), (link, b"")]
    members += [(tarfile.TarInfo(f"__MACOSX/{n}"), b"x") for n in range(30)]
    archive = make_tar(tmp_path / "s.tar.gz", *members)
    unpacked(archive, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["model.onnx"]


def test_encrypted_zip_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"m", "z": b"z"})
    raw = bytearray(archive.read_bytes())
    place = raw.rindex(b"PK\1\2")
    raw[place + 8] |= 1
    archive.write_bytes(bytes(raw))
    with pytest.raises(Rejected, match="encrypted"):
        unpacked(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


USUAL = ["a", "A", "b", "model.onnx", "\u00e9", "e\u0301", "x" * 99, "__MACOSX", ".venv"]
ODD = ["..", ".", "", "\x1b", " ", "~", "CON", "C:", "\u202e", "n" * 300]
PARTS = st.sampled_from(USUAL * 4 + ODD)
NAMES = st.builds(
    lambda start, parts, separator: start + separator.join(parts),
    st.sampled_from(["", "", "", "/", "//", "\\"]),
    st.lists(PARTS, min_size=1, max_size=4),
    st.sampled_from(["/", "/", "\\"]),
)
FILE_KIND, OTHER_KINDS = stat.S_IFREG, [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR]
KINDS = st.sampled_from([FILE_KIND] * 12 + OTHER_KINDS)
MEMBERS = st.lists(
    st.tuples(NAMES, KINDS, st.sampled_from([0, 1, 511, 512, 513, 9_999, 10_001])), max_size=6
)
TAR_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
}


def pack_tar(path: Path, members: list[tuple[str, int, int]]) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        for name, kind, size in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = TAR_KINDS[kind], size if kind == stat.S_IFREG else 0
            info.linkname = "/etc/passwd"
            file.addfile(info, io.BytesIO(b"c" * size))


def pack_zip(path: Path, members: list[tuple[str, int, int]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, kind, size in members:
            info = zipfile.ZipInfo("x")
            info.filename = name + "/" * (kind == stat.S_IFDIR)
            info.external_attr = kind << 16
            file.writestr(info, b"" if kind == stat.S_IFDIR else b"c" * size)


def is_folder(name: str, mode: int, kind: str) -> bool:
    """A zip archive knows folders by their names."""
    return mode == stat.S_IFDIR or (kind == "zip" and name.endswith(("/", "\\")))


def files_below(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["tar", "zip"])
@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=MEMBERS)
def test_any_members_are_unpacked_exactly_or_refused_before_anything_is_written(
    tmp_path_factory: pytest.TempPathFactory, kind: str, members: list[tuple[str, int, int]]
) -> None:
    place = tmp_path_factory.mktemp("any")
    archive, target = place / f"s.{kind}", place / "in" / "target"
    target.mkdir(parents=True)
    (pack_tar if kind == "tar" else pack_zip)(archive, members)
    refused: Rejected | None = None
    try:
        unpacked(archive, target)
    except Rejected as error:
        refused = error
    if refused is not None:
        assert list(target.rglob("*")) == []
        assert len(refused.text.to("en")) < 400
        assert refused.text.to("ru")
    else:
        names = [
            (PurePosixPath(n.replace("\\", "/")), is_folder(n, k, kind)) for n, k, _ in members
        ]
        kept = [not folder and not ignored(name) for name, folder in names]
        assert files_below(target) == {
            name.as_posix(): size
            for (name, _), (_, _, size), keep in zip(names, members, kept, strict=True)
            if keep
        }
        assert all(
            mode == stat.S_IFREG for (_, mode, _), keep in zip(members, kept, strict=True) if keep
        )
    outside = {path for path in place.rglob("*") if not path.is_relative_to(target)}
    assert outside == {archive, place / "in"}
