"""A project cannot reach files of the machine that compiles it, whatever it includes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import board
from grader.board import gcc_system, gcc_wasm, isolation
from grader.board.compiling import Compiled
from grader.board.project import Project, read
from grader.text.errors import Rejected

MAIN = "int main(void) { for (;;) {} }\n"
SYSTEM = pytest.mark.skipif(
    not (gcc_system.available() and isolation.works()), reason="needs avr-gcc and bubblewrap"
)


def build_confined(project: Project) -> Compiled:
    return gcc_system.build(project, trusted=False)


COMPILERS = [
    pytest.param(gcc_wasm.build, id="portable"),
    pytest.param(build_confined, marks=SYSTEM, id="system"),
]
Build = Callable[[Project], Compiled]


def refused_by_the_reader(code: str) -> str:
    with pytest.raises(Rejected) as caught:
        read({"main.c": (code + MAIN).encode()})
    return caught.value.text.en


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


@pytest.mark.parametrize("build", COMPILERS)
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
    build: Build, code: str, path: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.h"
    secret.write_text("int found_the_secret;\n")
    text = code.replace("{path}", path.replace("{home}", str(secret)))
    with pytest.raises(board.CompileError) as caught:
        build(Project({"main.c": (text + MAIN).encode()}))
    assert "root:" not in caught.value.log
    assert "found_the_secret" not in caught.value.log


@pytest.mark.parametrize("build", COMPILERS)
def test_asking_whether_a_file_exists_finds_none(build: Build) -> None:
    code = '#if __has_include("/etc/passwd")\n#error it is there\n#endif\n'
    assert build(Project({"main.c": (code + MAIN).encode()})).elf


@SYSTEM
def test_the_environment_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_SECRET", "seen")
    (tmp_path / "x").write_text("")
    command = isolation.isolated_command(
        ["/bin/sh", "-c", "set; cat /proc/1/environ; ls /home /root /etc"],
        readable=[Path(os.path.realpath("/bin/sh")), Path("/bin/sh")],
        folder=tmp_path,
    )
    assert command is not None
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "GRADER_SECRET" not in said.stdout


@pytest.mark.skipif(not gcc_system.available(), reason="needs avr-gcc")
def test_without_bubblewrap_other_peoples_work_goes_to_the_portable_compiler(
    tmp_path: Path,
) -> None:
    (tmp_path / "avr-gcc").symlink_to(str(shutil.which("avr-gcc")))
    code = (
        "from grader import board as avr; files = {'main.c': b'int main(void) { for (;;) {} }'};"
        "print(avr.build(files, 'system').compiler)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "wasm" in ended.stdout, ended.stderr


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


@pytest.mark.parametrize(
    "module",
    ["gcc_wasm", pytest.param("gcc_system", marks=SYSTEM)],
)
def test_the_compiler_stops_when_its_time_is_over(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = {"gcc_wasm": gcc_wasm, "gcc_system": gcc_system}[module]
    gcc_wasm.prepare()
    monkeypatch.setattr(compiler, "WALL_SECONDS", 0.5)
    body = "volatile int x; void f(void) {" + "if (x) x += x * 3;" * 60_000 + "}\n"
    with pytest.raises(board.CompileError, match="limits"):
        board.build({"main.c": (body + MAIN).encode()}, "system" if "sys" in module else "portable")


@pytest.mark.parametrize("build", COMPILERS)
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
def test_greedy_sources_end_with_a_sentence(build: Build, code: str) -> None:
    with pytest.raises(board.CompileError):
        build(Project({"main.c": (code + MAIN).encode()}))
