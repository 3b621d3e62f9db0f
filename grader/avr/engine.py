"""What both simulators offer: a processor that runs until something happens.

`core/board.h` says what may happen; the structures here are the C ones.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple, Protocol

FLASH_WORDS = 16_384
DATA_BYTES = 0x900
SRAM_BEGIN = 0x100
MAX_INPUT = 1_024


class Stop(IntEnum):
    """Why a run ended, as in board.h."""

    RUNNING = 0
    AT_LIMIT = 1
    AT_LINE_END = 2
    EVENTS_FULL = 3
    STARVED = 4
    STACK_OVERFLOW = 5
    REFUSED_READ = 6
    REFUSED_WRITE = 7
    REFUSED_INTERRUPT = 8
    WILD_ADDRESS = 9
    ILLEGAL_OPCODE = 10
    SELF_PROGRAMMING = 11
    SLEPT = 12
    BROKE = 13
    OUTSIDE_FLASH = 14
    INTO_DATA = 15


class Kind(IntEnum):
    """What an event tells of."""

    RECEIVED = 1
    """The firmware took a byte from the serial port."""
    SENT = 2
    LOST = 3
    """It wrote to the serial port while that was busy or switched off."""
    MARK = 4
    """It wrote to GPIOR0."""


class Event(NamedTuple):
    cycle: int
    """Cycles from the reset to the start of the instruction."""
    kind: int
    value: int


class State(NamedTuple):
    """Where the processor is after a run; addresses of code are in words."""

    cycle: int
    pc: int
    last_pc: int
    """Of the instruction executed last."""
    sp: int
    lowest_sp: int
    stack_limit: int
    sreg: int
    stop: int
    address: int
    """The data address that a refusal is about."""
    input_left: int
    """Bytes of input that were not taken."""
    event_count: int


STATE = struct.Struct("<Q10I")
EVENT = struct.Struct("<QII")


class Engine(Protocol):
    """A processor with its memories. Not shared between threads."""

    def load(self, flash: bytes, data_marks: bytes, sram: bytes, stack_limit: int) -> None:
        """Start from address 0. `flash` has 32,768 bytes; `data_marks` one byte a word of flash,
        1 where it is never executed; `sram` 2,048 bytes."""

    def run(
        self, limit: int, data: bytes = b"", *, stop_at_line_end: bool = False
    ) -> tuple[State, list[Event]]:
        """Go on until cycle `limit` counted from the reset, or until something happens; at most
        MAX_INPUT bytes of input are sent as the firmware asks for them."""

    def memory(self) -> bytes:
        """The data space, (2,304,) bytes: registers, I/O (as zeros), SRAM."""

    def close(self) -> None: ...


def events_from(raw: bytes) -> list[Event]:
    return [Event._make(fields) for fields in EVENT.iter_unpack(raw)]
