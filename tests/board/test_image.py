"""Reading programs from ELF and Intel HEX files, whole, damaged and hostile."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import board
from grader.board import image
from grader.text.errors import Rejected, UsageError
from tests.board.projects import project


@pytest.fixture(scope="module")
def elf() -> bytes:
    return board.build(project("echo")).elf


def test_hex_runs_like_elf(tmp_path: Path) -> None:
    made = board.build(project("echo"))
    path = tmp_path / "firmware.hex"
    path.write_text(made.to_hex())
    assert board.load(path).flash == made.flash
    (tmp_path / "firmware.elf").write_bytes(made.elf)
    with (
        board.Board(board.load(path)) as hexed,
        board.Board(board.load(tmp_path / "firmware.elf")) as uno,
    ):
        assert hexed.ask("hello") == uno.ask("hello")


@given(st.binary(min_size=1, max_size=3_000))
def test_hex_keeps_every_byte(flash: bytes) -> None:
    made = board.Image(flash, text_bytes=len(flash), data_bytes=0, bss_bytes=0)
    assert image.from_hex(made.to_hex()).flash == flash


@pytest.mark.parametrize(
    "raw", [b"", b"hello", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(100), b":00", b":zz\n", b":10"]
)
def test_damaged_files_are_refused(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "firmware.elf"
    path.write_bytes(raw)
    with pytest.raises((Rejected, UsageError)):
        board.load(path)


def test_no_damage_to_an_elf_raises_another_error(elf: bytes) -> None:
    for position in range(0, min(len(elf), 600), 7):
        damaged = bytearray(elf)
        damaged[position] ^= 0xFF
        with contextlib.suppress(Rejected):
            image.from_elf(bytes(damaged))
        with pytest.raises(Rejected):
            image.from_elf(elf[:position])
    with pytest.raises(Rejected):
        image.from_elf(elf[:-1])


@given(st.data())
def test_random_bytes_in_an_elf_raise_no_other_error(elf: bytes, data: st.DataObject) -> None:
    damaged = bytearray(elf)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(elf) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Rejected):
        image.from_elf(bytes(damaged))


def test_elf_sizes_and_symbols_are_those_of_the_tables_in_the_file(elf: bytes) -> None:
    """Read here a second time, straight from the layout of the ELF specification."""
    made = image.from_elf(elf)
    headers = section_headers(elf)
    sram = [h for h in headers if h[2] & 2 and 0x800000 <= h[3] < 0x810000]
    assert made.data_bytes == sum(h[5] for h in sram if h[1] != 8)
    assert made.bss_bytes == sum(h[5] for h in sram if h[1] == 8)
    (table,) = [h for h in headers if h[1] == 2]
    names = elf[headers[table[6]][4] :]
    found = set()
    for name, value, size, info, _, _ in struct.iter_unpack(
        "<IIIBBH", elf[table[4] : table[4] + table[5]]
    ):
        if info & 15 in (1, 2):
            text = names[name : names.index(b"\0", name)].decode()
            found.add((text, value & 0xFFFF, size, "code" if info & 15 == 2 else "data"))
    assert {(s.name, s.address, s.size, s.kind) for s in made.symbols} == found


def test_a_file_of_another_processor_or_kind_is_refused(elf: bytes) -> None:
    for position, value in ((4, 2), (5, 2), (16, 1), (18, 0x3E)):
        other = bytearray(elf)
        other[position] = value
        with pytest.raises(Rejected, match="not a linked AVR program"):
            image.from_elf(bytes(other))


def test_tables_of_a_hostile_elf_are_read_within_limits(elf: bytes) -> None:
    """Sections without end, symbols whose names are the whole file, a table that reads itself, and
    a section type that pyelftools would read whole."""
    headers = section_headers(elf)
    (table,) = [number for number, h in enumerate(headers) if h[1] == 2]
    hostile = [
        with_section_field(elf, 0, 5, 2**32 - 1, sections=0),
        with_section_field(elf, table, 6, table),
        with_section_field(elf, table, 9, 0),
        with_section_field(elf, table, 1, 5),
        with_section_field(elf, 1, 1, 0x6FFFFFF6),
    ]
    symbols = struct.pack("<IIIBBH", 16, 0, 2, 1, 0, 1) * 100_000
    long_name = bytearray(elf + b"\0" + b"n" * 10_000 + b"\0" + symbols)
    for field, value in ((4, len(elf) + 10_002), (5, len(symbols))):
        long_name = bytearray(with_section_field(bytes(long_name), table, field, value))
    hostile.append(with_section_field(bytes(long_name), headers[table][6], 4, len(elf) + 1))
    for raw in hostile:
        with pytest.raises(Rejected):
            image.from_elf(raw)


@pytest.mark.parametrize("begin", [b"\x7fELF", b":"])
def test_files_that_are_too_large_are_refused(begin: bytes, tmp_path: Path) -> None:
    path = tmp_path / "firmware"
    path.write_bytes(begin.ljust(image.MAX_FILE_BYTES + 1, b"0"))
    with pytest.raises(Rejected, match="more than"):
        board.load(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (":0100000001FE\n:0100010002FB\n", 2),
        (":0100000001FE\n0100010002FC\n", 2),
        (":0100000001FE\n:01000100\n", 2),
        (":020000040000FA\n:02000002\n", 2),
        (":01000000\u0431FE\n", 1),
    ],
)
def test_a_damaged_line_of_hex_is_named(text: str, line: int) -> None:
    with pytest.raises(UsageError, match=f"Line {line} of the HEX file is damaged"):
        image.from_hex(text)


def test_hex_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Rejected, match=r"needs 65,537 bytes"):
        image.from_hex(":020000040001F9\n:0100000001FE\n")


def section_headers(elf: bytes) -> list[tuple[int, ...]]:
    begin, size, count = struct.unpack_from("<I", elf, 32)[0], *struct.unpack_from("<HH", elf, 46)
    return [struct.unpack_from("<10I", elf, begin + size * number) for number in range(count)]


def with_section_field(
    elf: bytes, section: int, field: int, value: int, sections: int | None = None
) -> bytes:
    """The file with one number of one section header changed, and the count of sections."""
    changed = bytearray(elf)
    begin, size = struct.unpack_from("<I", elf, 32)[0], struct.unpack_from("<H", elf, 46)[0]
    struct.pack_into("<I", changed, begin + size * section + 4 * field, value)
    if sections is not None:
        struct.pack_into("<H", changed, 48, sections)
    return bytes(changed)
