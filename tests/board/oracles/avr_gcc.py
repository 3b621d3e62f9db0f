"""Debian's avr-gcc with avr-libc, with the flags of the pinned compiler. Only for our own code:
nothing isolates it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from grader.board import Image, image, project
from grader.board.compiler import DIALECTS, FLAGS, LINK_FLAGS

DRIVER = ("avr-gcc", "-mmcu=atmega328p", "-DF_CPU=16000000UL")
ASSEMBLY = {".S": ("-x", "assembler-with-cpp")}


def available() -> bool:
    return shutil.which("avr-gcc") is not None


def build(files: Mapping[str, bytes] | Path) -> Image:
    """Compile and link a project. Raises CalledProcessError where that fails."""
    found = project.read(files)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, data in found.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        objects = []
        for number, source in enumerate(found.sources):
            dialect = (DIALECTS | ASSEMBLY)[Path(source).suffix]
            objects.append(f"_{number}.o")
            _run([*DRIVER, *FLAGS, *dialect, "-c", source, "-o", objects[-1]], folder)
        link = [f"-Wl,{flag}" for flag in LINK_FLAGS]
        _run([*DRIVER, *link, *objects, "-o", "_firmware.elf", "-lm"], folder)
        elf = (folder / "_firmware.elf").read_bytes()
    return image.from_elf(elf, compiler=f"avr-gcc {_run(['avr-gcc', '-dumpversion']).strip()}")


def _run(command: list[str], folder: Path | None = None) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
