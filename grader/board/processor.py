"""The simulated processor: an ATmega328P (`core/atmega328p.c`) as WebAssembly under wasmtime.

`core/board.h` says why a run ends; the numbers and structures here are those of its C code.
"""

from __future__ import annotations

import struct
import weakref
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import wasmtime

FLASH_WORDS = 16_384
DATA_BYTES = 0x900
MAX_INPUT = 1_024
WASM = Path(__file__).parent / "core" / "atmega328p.wasm"
MEMORY_BYTES = 2**21
"""More than the core uses. By default wasmtime reserves 4 GiB of address space for each board, more
than a limited process may have."""
STATE = struct.Struct("<Q10I")
EVENT = struct.Struct("<QII")


class Stop(IntEnum):
    """Why a run ended."""

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
    WRONG_RATE = 16
    WRONG_FORMAT = 17


class Kind(IntEnum):
    """What an event is."""

    RECEIVED = 1
    """The firmware took a byte from the serial port."""
    SENT = 2
    """It sent a byte."""
    LOST = 3
    """It wrote to the serial port while that was busy or switched off."""
    MARK = 4
    """It wrote to GPIOR0."""


class Event(NamedTuple):
    """Something that the firmware did, which the host sees."""

    cycle: int
    """Cycles from the reset to the start of the instruction."""
    kind: int
    value: int


class State(NamedTuple):
    """The processor after a run; addresses of code are in words."""

    cycle: int
    pc: int
    last_pc: int
    """Address of the last instruction that was executed."""
    sp: int
    lowest_sp: int
    stack_limit: int
    sreg: int
    stop: int
    address: int
    """The data address for which the run was stopped; for WRONG_RATE the cycles of a bit."""
    input_left: int
    """Bytes of input that the firmware did not read."""
    event_count: int


class Processor:
    """A processor with its memories. Not shared between threads."""

    def __init__(self) -> None:
        engine, module = _module()
        self._store = wasmtime.Store(engine)
        # wasmtime prints an error for a store that is deleted while the interpreter exits.
        self._close = weakref.finalize(self, self._store.close)
        self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory
        self._places = {
            name: self._call(name)
            for name in (
                *("flash_memory", "data_marks", "data_memory"),
                *("input", "events", "state_memory", "processor"),
            )
        }

    def load(self, flash: bytes, data_marks: bytes, sram: bytes, stack_limit: int) -> None:
        """Start from address 0. `flash` has 32,768 bytes; `data_marks` one byte per word of flash,
        1 where it must not be executed; `sram` 2,048 bytes."""
        self._write("flash_memory", flash)
        self._write("data_marks", data_marks)
        self._write("data_memory", bytes(DATA_BYTES - len(sram)) + sram)
        self._call("reset", stack_limit)

    def run(
        self, limit: int, data: bytes = b"", *, stop_at_line_end: bool = False
    ) -> tuple[State, list[Event]]:
        """Run until cycle `limit` counted from the reset, or until a reason of Stop. The firmware
        reads `data`, at most MAX_INPUT bytes, from the serial port."""
        self._write("input", data)
        self._call("run", limit, len(data), int(stop_at_line_end))
        state = State._make(STATE.unpack(self._read("state_memory", STATE.size)))
        events = self._read("events", EVENT.size * state.event_count)
        return state, list(map(Event._make, EVENT.iter_unpack(events)))

    def memory(self) -> bytes:
        """The data space, (2,304,) bytes: registers, I/O (as zeros), SRAM."""
        return self._read("data_memory", DATA_BYTES)

    def close(self) -> None:
        """Release the memories."""
        self._close()

    def _call(self, name: str, *arguments: int) -> int:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        return int(function(self._store, *arguments) or 0)

    def _read(self, place: str, size: int) -> bytes:
        start = self._places[place]
        return bytes(self._memory.read(self._store, start, start + size))

    def _write(self, place: str, data: bytes) -> None:
        self._memory.write(self._store, data, self._places[place])


@cache
def _module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    config = wasmtime.Config()
    config.memory_reservation = MEMORY_BYTES
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module.from_file(engine, WASM)
