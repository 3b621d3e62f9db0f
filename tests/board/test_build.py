"""From a project to an image: sizes, symbols, and the compiler's complaints as sentences."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import board
from grader.board import gcc_system, image
from grader.board.core import build as core
from grader.text.errors import Rejected, UsageError
from tests.avr.projects import answering, project

AVR_GCC = pytest.mark.skipif(
    not gcc_system.available(), reason="needs avr-gcc (apt install gcc-avr avr-libc)"
)
COMPILERS = ["portable", pytest.param("system", marks=AVR_GCC)]
MAIN = b"int main(void) { for (;;) {} }\n"


def build(code: str, compiler: board.Compiler = "portable") -> board.Image:
    return board.build({"main.c": code.encode() + MAIN}, compiler, trusted=True)


def refusal(code: str, compiler: board.Compiler) -> str:
    with pytest.raises(Rejected) as caught:
        build(code, compiler)
    assert caught.value.text.ru != caught.value.text.en
    return caught.value.text.en


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_map_of_memories_adds_up(compiler: board.Compiler) -> None:
    code = """
#include <avr/pgmspace.h>
const char table[1000] PROGMEM = {1};
int initialised[10] = {1, 2, 3};
char zero[50];
const char *keep(int i) { return table + initialised[i] + zero[i]; }
int main(void) { for (;;) { asm volatile("" :: "r"(keep(1))); } }
"""
    made = board.build({"main.c": code.encode()}, compiler, trusted=True)
    sizes = {symbol.name: (symbol.memory, symbol.size) for symbol in made.symbols}
    assert sizes["table"] == ("flash", 1_000)
    assert sizes["initialised"] == ("sram", 20)
    assert sizes["zero"] == ("sram", 50)
    assert made.data_bytes == 20
    assert made.bss_bytes == 50
    assert made.flash_bytes == len(made.flash) == made.text_bytes + 20
    assert made.static_bytes == 70
    assert made.largest("flash")[0].name == "table"
    assert made.compiler.startswith("avr-gcc ")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_an_error_names_file_and_line(compiler: board.Compiler) -> None:
    said = refusal("int first;\nint second = third;\n", compiler)
    assert said.startswith("main.c:2")
    assert "third" in said


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_missing_header_is_named(compiler: board.Compiler) -> None:
    assert "weights.h" in refusal('#include "weights.h"\n', compiler)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_an_assembly_error_names_its_line(compiler: board.Compiler) -> None:
    files = {"main.c": MAIN, "kernel.S": b"#include <avr/io.h>\n nop\n frobnicate r1\n"}
    with pytest.raises(board.CompileError, match=r"kernel\.S:3"):
        board.build(files, compiler, trusted=True)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_missing_function_is_named(compiler: board.Compiler) -> None:
    said = refusal(
        "void layer2(void);\nvoid (*volatile f)(void) = layer2;\n"
        "__attribute__((constructor, used)) void g(void) { f(); layer2(); }\n",
        compiler,
    )
    assert "'layer2'" in said


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_program_that_is_too_large_is_told_so(compiler: board.Compiler) -> None:
    half = (
        '__attribute__((used)) const char {}[20000] __attribute__((section(".text.t"))) = {{1}};\n'
    )
    code = half.format("a") + half.format("b") + "__attribute__((used)) static void use(void) {}\n"
    code += "int f(int i) { return a[i] + b[i]; }\nint (*volatile keep)(int);\n"
    code += "__attribute__((constructor, used)) void g(void) { keep = f; }\n"
    assert "flash" in refusal(code, compiler)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_too_many_variables_are_told_so(compiler: board.Compiler) -> None:
    code = "volatile char big[3000];\n"
    code += "__attribute__((constructor, used)) void g(void) { big[2] = 1; }\n"
    assert "SRAM" in refusal(code, compiler)


def test_eeprom_is_refused() -> None:
    code = "#include <avr/eeprom.h>\nuint8_t table[4] EEMEM __attribute__((used)) = {1};\n"
    assert "EEPROM" in refusal(code, "portable")


def test_a_project_needs_a_source(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_text("")
    with pytest.raises(Rejected, match=r"main\.c"):
        board.build(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        board.build(tmp_path / "nothing")


def test_folders_assembly_and_other_files(tmp_path: Path) -> None:
    """Headers in folders, assembly beside C; a sketch and notes take no part."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bias.h").write_text("#define BIAS 7\n")
    (tmp_path / "model" / "kernel.c").write_text(
        '#include "bias.h"\nextern char add(char, char);\n'
        "char kernel(char c) { return add(c, BIAS); }\n"
    )
    (tmp_path / "add.S").write_text(
        ".global add\n.type add, @function\nadd:\n add r24, r22\n ret\n.size add, . - add\n"
    )
    files = answering(
        "serial_put(kernel(line[0])); serial_put('\\n');", declarations="char kernel(char c);"
    )
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "firmware.ino").write_text("// the program is in main.c\n")
    (tmp_path / "notes.md").write_text("notes")
    with board.Board(board.load(tmp_path)) as uno:
        assert uno.ask("a").text == "h"


def test_builds_are_the_same_every_time() -> None:
    assert board.build(project("tables")).elf == board.build(project("tables")).elf


@pytest.mark.parametrize("compiler", COMPILERS)
def test_main_that_returns_is_named(compiler: board.Compiler) -> None:
    files = {"main.c": b"int main(void) { return 0; }\n"}
    image = board.build(files, compiler, trusted=True)
    with board.Board(image) as uno, pytest.raises(board.FirmwareStopped) as caught:
        uno.ask("x", max_cycles=100_000)
    assert caught.value.stop == board.Stop.AT_LIMIT


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


def test_damaged_elf_never_escapes_as_another_error() -> None:
    elf = board.build(project("echo")).elf
    for position in range(0, min(len(elf), 600), 7):
        damaged = bytearray(elf)
        damaged[position] ^= 0xFF
        with contextlib.suppress(Rejected):
            image.from_elf(bytes(damaged))
        with pytest.raises(Rejected):
            image.from_elf(elf[:position])


def test_the_committed_core_is_made_from_the_sources_beside_it() -> None:
    kept = (core.HERE / "atmega328p.sources.txt").read_text(encoding="ascii").strip()
    assert kept == core.fingerprint()
