"""Firmware for an Arduino UNO without the board: a compiler and a simulated ATmega328P.

    image = avr.build(Path("firmware"))
    with avr.Board(image) as board:
        reply = board.ask("how are you")

`board.py` describes the protocol. Two compilers and two simulators stand behind the same calls:
"portable" comes from PyPI and runs everywhere, "system" is avr-gcc with avr-libc and simavr.
"""

from grader.board.board import Board, Inference, Mark, Reply, Simulator, milliseconds
from grader.board.compiling import CompileError
from grader.board.engine import Event, Kind, Stop
from grader.board.image import CLOCK_HZ, MAX_FLASH_BYTES, SRAM_BYTES, Image, Symbol
from grader.board.stopped import FirmwareStopped
from grader.board.toolchain import Compiler, build, is_prepared, load, prepare

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
