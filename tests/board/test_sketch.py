"""The same project as an Arduino sketch: the IDE's recipe for an UNO makes a board that answers
alike. Needs the Arduino core of the system (Debian: arduino-core-avr gcc-avr avr-libc)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from grader import board
from grader.board.project import read
from tests.board.projects import LINES, project

CORE = Path("/usr/share/arduino/hardware/arduino/avr")
DEFINES = ["-mmcu=atmega328p", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_AVR_UNO"]
DEFINES += ["-DDECIMAL_DIG=10"]  # that gcc 5.4 does not define for C++, and the core wants
DEFINES += ["-DARDUINO_ARCH_AVR", f"-I{CORE / 'cores/arduino'}", f"-I{CORE / 'variants/standard'}"]
SECTIONS = ["-c", "-g", "-Os", "-w", "-ffunction-sections", "-fdata-sections", "-flto"]
CPP = ["-fpermissive", "-fno-exceptions", "-fno-threadsafe-statics", "-Wno-error=narrowing"]
RECIPES = {
    ".c": ["avr-gcc", *SECTIONS, "-std=gnu11", "-fno-fat-lto-objects"],
    ".cpp": ["avr-g++", *SECTIONS, "-std=gnu++11", *CPP],
    ".S": ["avr-gcc", "-c", "-g", "-x", "assembler-with-cpp", "-flto"],
}
"""As in the core's platform.txt, version 1.8."""
LESSON = Path(__file__).parents[2] / "reference_solutions" / "pruning_arduino" / "firmware"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CORE.exists() and shutil.which("avr-g++")),
        reason="needs the Arduino core (apt install arduino-core-avr gcc-avr avr-libc)",
    ),
]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Arduino library, archived as the IDE does."""
    folder = tmp_path_factory.mktemp("core")
    sources = [path for path in (CORE / "cores/arduino").iterdir() if path.suffix in RECIPES]
    objects = [compiled(path, folder) for path in sources]
    run(["avr-gcc-ar", "rcs", "core.a", *map(str, objects)], folder)
    return folder / "core.a"


def sketch(files: dict[str, bytes], core: Path, folder: Path) -> board.Image:
    """Build a folder as a sketch: its .ino becomes C++ behind `#include <Arduino.h>`."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "sketch.ino.cpp").write_bytes(b"#include <Arduino.h>\n" + files["firmware.ino"])
    sources = sorted(path for path in folder.iterdir() if path.suffix in RECIPES)
    objects = [str(compiled(path, folder)) for path in sources]
    link = ["avr-gcc", "-w", "-Os", "-g", "-flto", "-fuse-linker-plugin", "-Wl,--gc-sections"]
    run([*link, "-mmcu=atmega328p", "-o", "sketch.elf", *objects, str(core), "-lm"], folder)
    return board.load(folder / "sketch.elf")


def compiled(source: Path, folder: Path) -> Path:
    made = folder / f"{source.name}.o"
    run([*RECIPES[source.suffix], *DEFINES, str(source), "-o", str(made)], folder)
    return made


def run(command: list[str], folder: Path) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["echo", "tables"])
def test_a_sketch_answers_like_the_project(name: str, core: Path, tmp_path: Path) -> None:
    files = project(name) | {"firmware.ino": b"// The program is main.c.\n"}
    same_answers(files, core, tmp_path, LINES)


@pytest.mark.skipif(not (LESSON / "weights.h").exists(), reason="the lesson is not exported")
def test_the_lesson_builds_as_a_sketch(core: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in LESSON.iterdir() if path.is_file()}
    same_answers(files, core, tmp_path, ["hello", "how are you", "are you sure\tI"])


def same_answers(
    files: dict[str, bytes], core: Path, folder: Path, lines: tuple[str, ...] | list[str]
) -> None:
    plain = board.build(read(files).files)
    with board.Board(plain) as uno, board.Board(sketch(files, core, folder)) as other:
        assert [uno.ask(line).text for line in lines] == [other.ask(line).text for line in lines]


def test_the_sketch_takes_nothing_of_the_arduino_library(core: Path, tmp_path: Path) -> None:
    """Timers and Serial would be refused on the simulated board, and cost flash on the real one."""
    files = project("echo") | {"firmware.ino": b"// The program is main.c.\n"}
    made = sketch(files, core, tmp_path)
    names = {symbol.name for symbol in made.symbols}
    assert not {"__vector_16", "__vector_18", "init", "setup", "loop"} & names
