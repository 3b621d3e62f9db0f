"""A firmware image: what lies where in flash and SRAM, from an ELF file or Intel HEX."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grader.text import Text
from grader.text.errors import Rejected, UsageError

FLASH_BYTES = 32_768
BOOTLOADER_BYTES = 512
MAX_FLASH_BYTES = FLASH_BYTES - BOOTLOADER_BYTES
"""What a program may occupy on an UNO: its bootloader has the last 512 bytes."""
SRAM_BEGIN = 0x100
SRAM_BYTES = 2_048
CLOCK_HZ = 16_000_000

_AVR = 83
_DATA_SPACE = 0x800000  # where GNU tools put SRAM in the one address space of an ELF file
_EEPROM_SPACE = 0x810000
_ALLOCATED, _NOBITS = 2, 8
_OBJECT, _FUNCTION = 1, 2

Memory = Literal["flash", "sram"]


@dataclass(frozen=True)
class Symbol:
    """A named piece of a memory. Data with an initial value occupies both memories."""

    name: str
    memory: Memory
    address: int
    """In bytes: from 0 in flash, from 0x100 in SRAM (the address that the processor uses)."""
    size: int
    kind: Literal["code", "data"]
    section: str


@dataclass(frozen=True)
class Image:
    """A program that can be loaded into the board."""

    flash: bytes = field(repr=False)
    """From address 0 to the last programmed byte."""
    text_bytes: int
    """Code and constants in flash."""
    data_bytes: int
    """Initialised variables: in flash and, once copied, in SRAM."""
    bss_bytes: int
    """Variables that start as zero or uninitialised: SRAM only."""
    symbols: tuple[Symbol, ...] = field(repr=False, default=())
    elf: bytes = field(repr=False, default=b"")
    """The ELF file; empty for an image read from HEX."""
    warnings: str = field(repr=False, default="")
    """What the compiler said, bounded."""
    compiler: str = ""

    @property
    def flash_bytes(self) -> int:
        return self.text_bytes + self.data_bytes

    @property
    def static_bytes(self) -> int:
        """SRAM that is taken before the first function is called."""
        return self.data_bytes + self.bss_bytes

    @property
    def stack_limit(self) -> int:
        """First data address behind the static variables, where the stack must not reach."""
        return SRAM_BEGIN + self.static_bytes

    def symbol_at(self, flash_address: int) -> Symbol | None:
        """The function or table that a byte of flash belongs to."""
        inside = [
            symbol
            for symbol in self.symbols
            if symbol.memory == "flash"
            and symbol.address <= flash_address < symbol.address + max(symbol.size, 1)
        ]
        return min(inside, key=lambda symbol: symbol.size, default=None)

    def to_hex(self) -> str:
        """The flash as Intel HEX, for avrdude."""
        records = []
        for start in range(0, len(self.flash), 16):
            row = self.flash[start : start + 16]
            record = bytes([len(row), start >> 8, start & 255, 0]) + row
            records.append(record + bytes([-sum(record) & 255]))
        return "".join(f":{record.hex().upper()}\n" for record in records) + ":00000001FF\n"

    def largest(self, memory: Memory, count: int = 20) -> list[Symbol]:
        """The symbols that take most of a memory, the largest first."""
        chosen = [symbol for symbol in self.symbols if symbol.memory == memory and symbol.size]
        return sorted(chosen, key=lambda symbol: (-symbol.size, symbol.address))[:count]


def from_elf(elf: bytes, warnings: str = "", compiler: str = "") -> Image:
    """Read a linked AVR program. Raises Rejected when it is none, or does not fit the part."""
    try:
        return _Elf(elf).image(warnings, compiler)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise Rejected(_NOT_AN_ELF) from error


def from_hex(text: str) -> Image:
    """Read Intel HEX, as `avr-objcopy -O ihex` writes it. It has no symbols, and its static
    SRAM is not known."""
    flash = bytearray()
    base = 0
    for number, line in enumerate(text.split(), 1):
        kind, address, data = _hex_record(line, number)
        if kind == 1:
            break
        if kind in (2, 4) and len(data) == 2:
            base = int.from_bytes(data, "big") << (4 if kind == 2 else 16)
        if kind == 0:
            end = base + address + len(data)
            _check_flash(end)
            flash.extend(b"\xff" * (end - len(flash)))
            flash[base + address : end] = data
    return Image(bytes(flash), text_bytes=len(flash), data_bytes=0, bss_bytes=0)


def read(path: Path) -> Image:
    """An image from a .elf or .hex file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            Text(
                en=f"{path} cannot be read: {error.strerror}.",
                ru=f"Не удаётся прочитать {path}: {error.strerror}.",
            )
        ) from error
    if raw.startswith(b"\x7fELF"):
        return from_elf(raw)
    if raw.lstrip().startswith(b":"):
        return from_hex(raw.decode("ascii", "replace"))
    raise UsageError(
        Text(
            en=f"{path} is neither an ELF nor an Intel HEX file.",
            ru=f"{path} — ни ELF-, ни Intel-HEX-файл.",
        )
    )


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    address: int
    data: bytes
    size: int

    @property
    def memory(self) -> Memory | None:
        if not self.flags & _ALLOCATED or self.address >= _EEPROM_SPACE:
            return None
        return "sram" if self.address >= _DATA_SPACE else "flash"


class _Elf:
    """Sections, segments and symbols of a 32-bit little-endian ELF file."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        header = struct.unpack_from("<16sHHIIIIIHHHHHH", raw)
        identity, kind, machine = header[:3]
        if identity[:6] != b"\x7fELF\x01\x01" or machine != _AVR or kind != 2:
            raise Rejected(_NOT_AN_ELF)
        self._segments = (header[5], header[9], header[10])
        place, size, count, names = header[6], header[11], header[12], header[13]
        rows = [struct.unpack_from("<10I", raw, place + size * i) for i in range(count)]
        strings = self._bytes(rows[names][4], rows[names][5])
        self._rows = rows
        self.sections = [self._section(row, strings) for row in rows]

    def image(self, warnings: str, compiler: str) -> Image:
        if any(self._eeprom()):
            raise Rejected(_EEPROM)
        static = {section: section.size for section in self.sections if section.memory == "sram"}
        data = sum(size for section, size in static.items() if section.kind != _NOBITS)
        bss = sum(static.values()) - data
        flash = self._flash()
        return Image(
            flash,
            text_bytes=len(flash) - data,
            data_bytes=data,
            bss_bytes=bss,
            symbols=tuple(sorted(self._symbols(), key=lambda s: (s.memory, s.address, s.name))),
            elf=self._raw,
            warnings=warnings,
            compiler=compiler,
        )

    def _bytes(self, start: int, size: int) -> bytes:
        if start + size > len(self._raw):
            raise IndexError
        return self._raw[start : start + size]

    def _section(self, row: tuple[int, ...], strings: bytes) -> _Section:
        name, kind, flags, address, start, size = row[:6]
        data = b"" if kind == _NOBITS else self._bytes(start, size)
        return _Section(_string(strings, name), kind, flags, address, data, size)

    def _eeprom(self) -> Iterator[_Section]:
        for section in self.sections:
            stored = section.flags & _ALLOCATED and section.size
            if stored and section.address >= _EEPROM_SPACE:
                yield section

    def _flash(self) -> bytes:
        flash = bytearray()
        place, size, count = self._segments
        for number in range(count):
            kind, start, _, load_address, stored = struct.unpack_from(
                "<5I", self._raw, place + size * number
            )
            if kind == 1 and stored:
                _check_flash(load_address + stored)
                flash.extend(b"\xff" * (load_address + stored - len(flash)))
                flash[load_address : load_address + stored] = self._bytes(start, stored)
        return bytes(flash)

    def _symbols(self) -> Iterator[Symbol]:
        for row in self._rows:
            if row[1] != 2:  # SHT_SYMTAB
                continue
            strings = self.sections[row[6]].data
            table = self._bytes(row[4], row[5])
            for name, value, size, info, _, index in struct.iter_unpack("<IIIBBH", table):
                if info & 15 not in (_OBJECT, _FUNCTION) or index >= len(self.sections):
                    continue
                section = self.sections[index]
                if section.memory is None:
                    continue
                yield Symbol(
                    _string(strings, name),
                    section.memory,
                    value - (_DATA_SPACE if section.memory == "sram" else 0),
                    size,
                    "code" if info & 15 == _FUNCTION else "data",
                    section.name,
                )


def _string(strings: bytes, start: int) -> str:
    return strings[start : strings.index(b"\0", start)].decode("utf-8", "backslashreplace")


def _hex_record(line: str, number: int) -> tuple[int, int, bytes]:
    try:
        record = bytes.fromhex(line.removeprefix(":"))
        if not line.startswith(":") or sum(record) % 256 or len(record) != record[0] + 5:
            raise ValueError
    except (ValueError, IndexError) as error:
        raise UsageError(
            Text(
                en=f"Line {number} of the HEX file is damaged; convert the ELF file again.",
                ru=f"Строка {number} HEX-файла повреждена; преобразуйте ELF-файл заново.",
            )
        ) from error
    return record[3], int.from_bytes(record[1:3], "big"), record[4:-1]


def _check_flash(end: int) -> None:
    if end > FLASH_BYTES:
        raise Rejected(
            Text(
                en=f"The program needs {end:,} bytes of flash, the ATmega328P has {FLASH_BYTES:,}; "
                "prune more or use fewer bits.",
                ru=f"Программе нужно {end} байт флеш-памяти, в ATmega328P их {FLASH_BYTES}; "
                "прореживайте сильнее или берите меньше бит.",
            )
        )


_NOT_AN_ELF = Text(
    en="This is not a linked AVR program (ELF); build the project again.",
    ru="Это не собранная программа AVR (ELF); соберите проект заново.",
)
_EEPROM = Text(
    en="The program keeps data in EEPROM, which this board does not have; put tables into flash "
    "with PROGMEM.",
    ru="Программа хранит данные в EEPROM, которой у этой платы нет; разместите таблицы во "
    "флеш-памяти с помощью PROGMEM.",
)
