"""Firmware for an Arduino UNO without the board: a compiler and a simulated ATmega328P.

    image = avr.build(Path("firmware"))
    with avr.Board(image) as board:
        reply = board.ask("how are you")

`board.py` describes the protocol. Two compilers and two simulators stand behind the same calls:
"portable" comes from PyPI and runs everywhere, "system" is avr-gcc with avr-libc and simavr.
"""

from grader.avr.board import Board, Inference, Mark, Reply, Simulator, milliseconds
from grader.avr.compiling import CompileError
from grader.avr.engine import Event, Kind, Stop
from grader.avr.image import CLOCK_HZ, MAX_FLASH_BYTES, SRAM_BYTES, Image, Symbol
from grader.avr.stopped import FirmwareStopped
from grader.avr.toolchain import Compiler, build, is_prepared, load, prepare

__all__ = [
    "CLOCK_HZ",
    "MAX_FLASH_BYTES",
    "SRAM_BYTES",
    "Board",
    "CompileError",
    "Compiler",
    "Event",
    "FirmwareStopped",
    "Image",
    "Inference",
    "Kind",
    "Mark",
    "Reply",
    "Simulator",
    "Stop",
    "Symbol",
    "build",
    "is_prepared",
    "load",
    "milliseconds",
    "prepare",
]
