"""From a project to an image, with the compiler of one's choice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from grader.board import image
from grader.board.compiling import NotIsolated
from grader.board.project import read

Compiler = Literal["portable", "system"]


def build(
    project: Mapping[str, bytes] | Path,
    compiler: Compiler = "portable",
    *,
    trusted: bool = False,
) -> image.Image:
    """Compile and link a project: `main.c`, more `.c`, `.cpp`, `.S`, their headers.

    The portable compiler is pinned, so its sizes and cycles are the same everywhere; grades are
    made with it. `system` is avr-gcc with avr-libc; where it cannot be confined, other people's
    work (`trusted` false) goes to the portable one instead, and `image.compiler` says so.
    Raises Rejected (CompileError with the compiler's own line) for what a student can mend.
    """
    files = read(project)
    if compiler == "system":
        from grader.board import gcc_system

        try:
            made = gcc_system.build(files, trusted=trusted)
            return image.from_elf(made.elf, made.log, made.compiler)
        except NotIsolated:
            pass
    from grader.board import gcc_wasm

    made = gcc_wasm.build(files)
    return image.from_elf(made.elf, made.log, made.compiler)


def load(path: Path, compiler: Compiler = "portable", *, trusted: bool = False) -> image.Image:
    """An image from a project folder, an .elf or a .hex file."""
    if path.is_dir():
        return build(path, compiler, trusted=trusted)
    return image.read(path)


def prepare() -> None:
    """Make the portable compiler ready on this machine: half a minute of computing, once."""
    from grader.board import gcc_wasm

    gcc_wasm.prepare()


def is_prepared() -> bool:
    """Whether `prepare` has nothing to do."""
    from grader.board import gcc_wasm

    return gcc_wasm.is_prepared()
