"""From a project to an image: sizes, symbols, and errors of the compiler as messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import board
from grader.board.core import build as core
from grader.text.errors import Rejected, UsageError
from tests.board.projects import answering, project

MAIN = b"int main(void) { for (;;) {} }\n"


def build(code: str) -> board.Image:
    return board.build({"main.c": code.encode() + MAIN})


def refusal(code: str) -> str:
    with pytest.raises(Rejected) as caught:
        build(code)
    assert caught.value.text.to("ru") != caught.value.text.to("en")
    return caught.value.text.to("en")


def test_the_map_of_memories_adds_up() -> None:
    code = """
#include <avr/pgmspace.h>
const char table[1000] PROGMEM = {1};
int initialized[10] = {1, 2, 3};
char zero[50];
const char *keep(int i) { return table + initialized[i] + zero[i]; }
int main(void) { for (;;) { asm volatile("" :: "r"(keep(1))); } }
"""
    made = board.build({"main.c": code.encode()})
    sizes = {symbol.name: (symbol.memory, symbol.size) for symbol in made.symbols}
    assert sizes["table"] == ("flash", 1_000)
    assert sizes["initialized"] == ("sram", 20)
    assert sizes["zero"] == ("sram", 50)
    assert made.data_bytes == 20
    assert made.bss_bytes == 50
    assert made.flash_bytes == len(made.flash) == made.text_bytes + 20
    assert made.static_bytes == 70
    assert made.largest("flash")[0].name == "table"
    assert made.compiler.startswith("avr-gcc ")


def test_an_error_names_file_and_line() -> None:
    said = refusal("int first;\nint second = third;\n")
    assert said.startswith("main.c:2")
    assert "third" in said


def test_a_missing_header_is_named() -> None:
    assert "weights.h" in refusal('#include "weights.h"\n')


def test_an_assembly_error_names_its_line() -> None:
    files = {"main.c": MAIN, "kernel.S": b"#include <avr/io.h>\n nop\n frobnicate r1\n"}
    with pytest.raises(board.CompileError, match=r"kernel\.S:3"):
        board.build(files)


def test_a_missing_function_is_named() -> None:
    said = refusal(
        "void layer2(void);\nvoid (*volatile f)(void) = layer2;\n"
        "__attribute__((constructor, used)) void g(void) { f(); layer2(); }\n"
    )
    assert "'layer2'" in said


def test_a_program_that_is_too_large_is_refused() -> None:
    half = (
        '__attribute__((used)) const char {}[20000] __attribute__((section(".text.t"))) = {{1}};\n'
    )
    code = half.format("a") + half.format("b") + "__attribute__((used)) static void use(void) {}\n"
    code += "int f(int i) { return a[i] + b[i]; }\nint (*volatile keep)(int);\n"
    code += "__attribute__((constructor, used)) void g(void) { keep = f; }\n"
    assert "flash" in refusal(code)


def test_too_many_variables_are_refused() -> None:
    code = "volatile char big[3000];\n"
    code += "__attribute__((constructor, used)) void g(void) { big[2] = 1; }\n"
    assert "SRAM" in refusal(code)


def test_eeprom_is_refused() -> None:
    code = "#include <avr/eeprom.h>\nuint8_t table[4] EEMEM __attribute__((used)) = {1};\n"
    assert "EEPROM" in refusal(code)


def test_a_project_needs_a_source(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_text("")
    with pytest.raises(Rejected, match=r"main\.c"):
        board.build(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        board.build(tmp_path / "nothing")


def test_folders_assembly_and_other_files(tmp_path: Path) -> None:
    """Headers in folders, assembly beside C; a sketch and notes are left out."""
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


def test_main_that_returns_is_named() -> None:
    files = {"main.c": b"int main(void) { return 0; }\n"}
    image = board.build(files)
    with board.Board(image) as uno, pytest.raises(board.FirmwareStopped) as caught:
        uno.ask("x", max_cycles=100_000)
    assert caught.value.stop == board.Stop.AT_LIMIT


def test_the_committed_core_is_made_from_the_sources_beside_it() -> None:
    kept = (core.HERE / "atmega328p.sources.txt").read_text(encoding="ascii").strip()
    assert kept == core.fingerprint()
