"""A firmware image: what lies where in flash and SRAM, from an ELF file or Intel HEX."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection
from intelhex import HexReaderError, IntelHex

from grader.text.errors import GraderError, Rejected, UsageError

FLASH_BYTES = 32_768
BOOTLOADER_BYTES = 512
MAX_FLASH_BYTES = FLASH_BYTES - BOOTLOADER_BYTES
"""What a program may occupy on an UNO: its bootloader has the last 512 bytes."""
SRAM_BEGIN = 0x100
SRAM_BYTES = 2_048
CLOCK_HZ = 16_000_000

MAX_FILE_BYTES = 4 << 20
"""Of an ELF or HEX file."""
MAX_SECTIONS = 256
MAX_SEGMENTS = 64
MAX_SYMBOL_BYTES = 1 << 20
"""Of the symbols and names in an ELF file."""
_SECTION_TYPES = (
    *("SHT_NULL", "SHT_PROGBITS", "SHT_NOBITS", "SHT_STRTAB", "SHT_SYMTAB", "SHT_NOTE"),
    *("SHT_INIT_ARRAY", "SHT_FINI_ARRAY"),
)
"""What linkers write for AVR. Of other types, pyelftools reads some whole, however large."""
_DATA_SPACE = 0x800000  # where GNU tools put SRAM in the one address space of an ELF file
_EEPROM_SPACE = 0x810000

Memory = Literal["flash", "sram"]


@dataclass(frozen=True)
class Symbol:
    """A named piece of a memory. Data with an initial value occupies both memories."""

    name: str
    memory: Memory
    address: int
    """Byte address: from 0 in flash, from 0x100 in SRAM (as the processor counts)."""
    size: int
    kind: Literal["code", "data"]
    section: str


@dataclass(frozen=True)
class Image:
    """A program that can be loaded into the board."""

    flash: bytes = field(repr=False)
    """Contents of the flash from address 0 to the last programmed byte."""
    text_bytes: int
    """Code and constants in flash."""
    data_bytes: int
    """Initialized variables: in flash and, once copied, in SRAM."""
    bss_bytes: int
    """Variables that start as zero or uninitialized: SRAM only."""
    symbols: tuple[Symbol, ...] = field(repr=False, default=())
    elf: bytes = field(repr=False, default=b"")
    """The ELF file; empty for an image read from HEX."""
    warnings: str = field(repr=False, default="")
    """Output of the compiler, cut to a limit."""
    compiler: str = ""

    @property
    def flash_bytes(self) -> int:
        return self.text_bytes + self.data_bytes

    @property
    def static_bytes(self) -> int:
        """SRAM that static variables take."""
        return self.data_bytes + self.bss_bytes

    @property
    def stack_limit(self) -> int:
        """First data address after the static variables, which the stack must not reach."""
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
        program, text = IntelHex(), io.StringIO()
        program.frombytes(self.flash)
        program.write_hex_file(text)
        return text.getvalue()

    def largest(self, memory: Memory, count: int = 20) -> list[Symbol]:
        """The `count` symbols that take most of a memory, the largest first."""
        chosen = [symbol for symbol in self.symbols if symbol.memory == memory and symbol.size]
        return sorted(chosen, key=lambda symbol: (-symbol.size, symbol.address))[:count]


def from_elf(raw: bytes, warnings: str = "", compiler: str = "") -> Image:
    """Read a linked AVR program. Raises Rejected when `raw` is none, or does not fit the part."""
    _check_size(raw)
    try:
        elf = ELFFile(io.BytesIO(raw + b"\0"))  # so that every name ends
        sections = _sections(elf, len(raw))
        flash = _flash(elf, raw)
        symbols = sorted(_symbols(sections), key=lambda s: (s.memory, s.address, s.name))
        static = [section for section in sections if _memory(section) == "sram"]
        data = sum(s["sh_size"] for s in static if s["sh_type"] != "SHT_NOBITS")
        _check_at_most(data, len(flash))
    except GraderError:
        raise
    except Exception as error:  # pyelftools raises errors of many types for damaged files
        raise Rejected(
            "This is not a linked AVR program (ELF); build the project again."
        ) from error
    return Image(
        flash,
        text_bytes=len(flash) - data,
        data_bytes=data,
        bss_bytes=sum(section["sh_size"] for section in static) - data,
        symbols=tuple(symbols),
        elf=raw,
        warnings=warnings,
        compiler=compiler,
    )


def from_hex(text: str) -> Image:
    """Read Intel HEX, as `avr-objcopy -O ihex` writes it. It has no symbols, and its static
    SRAM is not known. Raises UsageError for damaged text, Rejected for too large a program."""
    program = IntelHex()
    try:
        program.loadhex(io.StringIO("\n".join(text.split())))
    except HexReaderError as error:
        raise UsageError(
            "Line {line} of the HEX file is damaged; convert the ELF file again.", line=error.line
        ) from error
    last = program.maxaddr()
    end = 0 if last is None else last + 1
    _check_flash(end)
    flash = program.tobinstr(0, end - 1) if end else b""
    return Image(flash, text_bytes=end, data_bytes=0, bss_bytes=0)


def read(path: Path) -> Image:
    """An image from a .elf or .hex file. Raises UsageError when `path` is neither or cannot be
    read, and what `from_elf` and `from_hex` raise."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "{path} cannot be read: {strerror}.", path=path, strerror=error.strerror
        ) from error
    if raw.startswith(b"\x7fELF"):
        return from_elf(raw)
    if raw.lstrip().startswith(b":"):
        _check_size(raw)
        return from_hex(raw.decode("ascii", "replace"))
    raise UsageError("{path} is neither an ELF nor an Intel HEX file.", path=path)


def _sections(elf: ELFFile, file_bytes: int) -> list[Section]:
    """All sections of a linked AVR program. Raises ELFError when it is none, Rejected when it
    uses EEPROM."""
    kind = (elf.elfclass, elf.little_endian, elf["e_type"], elf["e_machine"])
    if kind != (32, True, "ET_EXEC", "EM_AVR"):
        raise ELFError(f"not a linked AVR program: {kind}")
    _check_at_most(elf.num_sections(), MAX_SECTIONS)
    _check_at_most(elf.get_shstrndx() + 1, elf.num_sections())
    _check_at_most(elf.num_segments(), MAX_SEGMENTS)
    _check_at_most(elf["e_shoff"] + elf["e_shentsize"] * elf.num_sections(), file_bytes)
    _check_at_most(elf["e_phoff"] + elf["e_phentsize"] * elf.num_segments(), file_bytes)
    sections: list[Section] = []
    for number in range(elf.num_sections()):
        sections.append(elf.get_section(number, _SECTION_TYPES))
        header = sections[-1].header
        if header["sh_type"] != "SHT_NOBITS":
            _check_at_most(header["sh_offset"] + header["sh_size"], file_bytes)
        _check_at_most(sum(len(section.name) for section in sections), MAX_SYMBOL_BYTES)
    for section in sections:
        allocated = section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]
        if allocated and section["sh_addr"] >= _EEPROM_SPACE:
            raise Rejected(
                "The program keeps data in EEPROM, which this board does not have; put tables "
                "into flash with PROGMEM."
            )
    return sections


def _memory(section: Section) -> Memory | None:
    """The memory that a section occupies when the program runs."""
    address = section["sh_addr"]
    if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC or address >= _EEPROM_SPACE:
        return None
    return "sram" if address >= _DATA_SPACE else "flash"


def _flash(elf: ELFFile, raw: bytes) -> bytes:
    """The segments that are loaded, at their addresses, with erased flash (0xFF) between them."""
    flash = bytearray()
    for segment in elf.iter_segments("PT_LOAD"):
        start, size, address = segment["p_offset"], segment["p_filesz"], segment["p_paddr"]
        if size:
            end = address + size
            _check_flash(end)
            _check_at_most(start + size, len(raw))
            flash.extend(b"\xff" * (end - len(flash)))
            flash[address:end] = raw[start : start + size]
    return bytes(flash)


def _symbols(sections: Sequence[Section]) -> Iterator[Symbol]:
    """Functions and objects that lie in a memory. Raises ELFError for tables that are too large."""
    used = 0
    for table in sections:
        if not isinstance(table, SymbolTableSection):
            continue
        for symbol in table.iter_symbols():
            used += table["sh_entsize"] + len(symbol.name)
            _check_at_most(used, MAX_SYMBOL_BYTES)
            kind, index = symbol["st_info"]["type"], symbol["st_shndx"]
            if kind not in ("STT_OBJECT", "STT_FUNC") or not isinstance(index, int):
                continue
            section = sections[index] if index < len(sections) else sections[0]
            if memory := _memory(section):
                yield Symbol(
                    symbol.name,
                    memory,
                    symbol["st_value"] - (_DATA_SPACE if memory == "sram" else 0),
                    symbol["st_size"],
                    "code" if kind == "STT_FUNC" else "data",
                    section.name,
                )


def _check_at_most(value: int, limit: int) -> None:
    if value > limit:
        raise ELFError(f"{value:,} where at most {limit:,} is possible")


def _check_flash(end: int) -> None:
    if end > FLASH_BYTES:
        raise Rejected(
            "The program needs {end:,} bytes of flash, the ATmega328P has {flash_bytes:,}; prune "
            "more or use fewer bits.",
            end=end,
            flash_bytes=FLASH_BYTES,
        )


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_FILE_BYTES:
        raise Rejected(
            "The program's file has more than {max_file_bytes:,} bytes; leave out the debugging "
            "information.",
            max_file_bytes=MAX_FILE_BYTES,
        )
