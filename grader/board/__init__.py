"""Firmware for an Arduino UNO without the board: a compiler and a simulated ATmega328P.

    image = board.build(Path("firmware"))
    with board.Board(image) as uno:
        reply = uno.ask("how are you")

`board.py` describes the protocol.
"""

from grader.board.board import Board, Reply, milliseconds
from grader.board.compiler import CompileError, build, is_prepared, load, prepare
from grader.board.image import CLOCK_HZ, MAX_FLASH_BYTES, SRAM_BYTES, Image
from grader.board.processor import Stop
from grader.board.stopped import FirmwareStopped

__all__ = [
    "CLOCK_HZ",
    "MAX_FLASH_BYTES",
    "SRAM_BYTES",
    "Board",
    "CompileError",
    "FirmwareStopped",
    "Image",
    "Reply",
    "Stop",
    "build",
    "is_prepared",
    "load",
    "milliseconds",
    "prepare",
]
