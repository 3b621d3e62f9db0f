"""Compile the ATmega328P core to WebAssembly: `python grader/board/core/build.py`.

Needs clang 14 and wasm-ld (Debian 12: clang lld). The result is in git, so users need neither.
Beside it is the fingerprint of the sources that it was compiled from; a test compares the two.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("atmega328p.c", "board.h", "instructions.h")
FLAGS = (
    *("--target=wasm32", "-std=c11", "-O3", "-nostdlib", "-ffreestanding", "-fno-builtin"),
    *("-mbulk-memory", "-Wall", "-Wextra", "-Werror"),
    *("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384"),
)


def fingerprint() -> str:
    """SHA-256 of the flags and sources that determine the module."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for name in SOURCES:
        digest.update((HERE / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def build(output: Path = HERE / "atmega328p.wasm") -> None:
    """Compile the module to `output` and write the fingerprint beside it."""
    command = ["clang", *FLAGS, "-o", str(output), str(HERE / "atmega328p.c")]
    subprocess.run(command, check=True)
    output.chmod(0o644)
    output.with_suffix(".sources.txt").write_text(fingerprint() + "\n", encoding="ascii")


if __name__ == "__main__":
    build()
