"""A project cannot reach files of the machine that compiles it, whatever it includes."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import board
from grader.board import compiler
from grader.board.compiler import compile_project
from grader.board.project import Project, read
from grader.text.errors import Rejected

MAIN = "int main(void) { for (;;) {} }\n"


def refused_by_the_reader(code: str) -> str:
    with pytest.raises(Rejected) as caught:
        read({"main.c": (code + MAIN).encode()})
    return caught.value.text.to("en")


@pytest.mark.parametrize(
    "code",
    [
        '#include "/etc/passwd"\n',
        "#include </etc/passwd>\n",
        "# /* a */ include /* b */ </etc/passwd>\n",
        '#inc\\\nlude "/etc/passwd"\n',
        '#include "../secret.h"\n',
        '#include "~/secret.h"\n',
        '#include "C:\\\\secret.h"\n',
        '__asm__(".incbin \\"model.bin\\"");\n',
        "#embed <x>\n",
        '#if __has_include("/etc/passwd")\n#endif\n',
        '#pragma GCC optimize ("-fplugin=evil.so")\n',
        '#pragma GCC optimize ("O2", "fdump-tree-all")\n',
        '__attribute__((optimize("-fdump-tree-all"))) void f(void) {}\n',
    ],
)
def test_reaching_out_is_refused_with_file_and_line(code: str) -> None:
    assert refused_by_the_reader("int first;\n" + code).startswith("main.c:2: ")


def test_ordinary_sources_are_not_refused() -> None:
    code = """#include <avr/io.h>
#include "model/weights.h"
// #include "/etc/passwd" is only a comment
/* so is .incbin "x"
   and this */
#pragma GCC optimize ("O3")
#pragma GCC optimize "O2"
__attribute__((optimize("unroll-loops"))) void f(void) {}
const char *text = "see // http://example.org/include";
"""
    assert read({"main.c": (code + MAIN).encode()}).sources == ["main.c"]


@pytest.mark.parametrize(
    "unit", ["/* ", '"\\"', "'", "#include ", "\\\n", "\n", " ", "optimize( ", "GCC ", "/", "x"]
)
def test_reading_takes_time_in_proportion_to_the_text(unit: str) -> None:
    """Anything that read a text twice a character would not come back from two megabytes."""
    text = unit * (1_900_000 // len(unit))
    assert read({"main.c": text.encode()}).sources == ["main.c"]


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/proc/version", "{home}"])
@pytest.mark.parametrize(
    "code",
    [
        '#define PATH "{path}"\n#include PATH\n',
        '__asm__(".inc" "bin \\"{path}\\"");\n',
        '__asm__(".inc" "lude \\"{path}\\"");\n',
        '_Pragma("GCC dependency \\"{path}\\"")\n#include "../../../../../../..{path}"\n',
    ],
)
def test_hidden_from_the_reader_it_meets_the_isolation(
    code: str, path: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.h"
    secret.write_text("int found_the_secret;\n")
    text = code.replace("{path}", path.replace("{home}", str(secret)))
    with pytest.raises(board.CompileError) as caught:
        compile_project(Project({"main.c": (text + MAIN).encode()}))
    assert "root:" not in caught.value.log
    assert "found_the_secret" not in caught.value.log


def test_asking_whether_a_file_exists_finds_none() -> None:
    code = '#if __has_include("/etc/passwd")\n#error it is there\n#endif\n'
    assert compile_project(Project({"main.c": (code + MAIN).encode()})).elf


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(MAIN)
    try:
        (tmp_path / "model.h").symlink_to("/etc/passwd")
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(Rejected, match=r"model\.h is a link"):
        board.build(tmp_path)


@pytest.mark.parametrize(
    "name", ["../main.c", "/main.c", "a b.c", "-o.c", "a/b/c/d/e.c", "x\n.c", "$(id).c", "a/../b.c"]
)
def test_strange_names_are_refused(name: str) -> None:
    with pytest.raises(Rejected, match="is not allowed"):
        read({"main.c": MAIN.encode(), name: b""})


def test_the_compiler_stops_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    board.prepare()
    monkeypatch.setattr(compiler, "WALL_SECONDS", 0.5)
    body = "volatile int x; void f(void) {" + "if (x) x += x * 3;" * 60_000 + "}\n"
    with pytest.raises(board.CompileError, match="limits"):
        board.build({"main.c": (body + MAIN).encode()})


@pytest.mark.parametrize(
    "code",
    [
        '__asm__(".rept 400000000\\n nop\\n .endr");\n',
        '#include "main.c"\n',
        "char big[2000000000];\n",
        '__asm__(".fill 200000000");\n',
    ],
)
@pytest.mark.slow
def test_greedy_sources_end_with_a_sentence(code: str) -> None:
    with pytest.raises(board.CompileError):
        compile_project(Project({"main.c": (code + MAIN).encode()}))
