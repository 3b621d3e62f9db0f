"""What both simulators offer: a processor that runs until something happens.

`core/board.h` says what may happen; the structures here are the C ones.
"""

from __future__ import annotations

import struct
import weakref
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import wasmtime

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


# The portable simulator: our ATmega328P (core/atmega328p.c) as WebAssembly under wasmtime.


WASM = Path(__file__).parent / "core" / "atmega328p.wasm"


class WasmCore:
    """Implements grader.board.engine.Engine."""

    def __init__(self) -> None:
        engine, module = _module()
        self._store = wasmtime.Store(engine)
        # A store that is deleted while the interpreter ends complains; this comes before that.
        self._close = weakref.finalize(self, self._store.close)
        self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory
        self._places = {
            name: self._call(name)
            for name in (
                "flash_memory", "data_marks", "data_memory", "input", "events", "state_memory",
                "processor",
            )
        }  # fmt: skip

    def load(self, flash: bytes, data_marks: bytes, sram: bytes, stack_limit: int) -> None:
        self._write("flash_memory", flash)
        self._write("data_marks", data_marks)
        self._write("data_memory", bytes(DATA_BYTES - len(sram)) + sram)
        self._call("reset", stack_limit)

    def run(
        self, limit: int, data: bytes = b"", *, stop_at_line_end: bool = False
    ) -> tuple[State, list[Event]]:
        self._write("input", data)
        self._call("run", limit, len(data), int(stop_at_line_end))
        state = State._make(STATE.unpack(self._read("state_memory", STATE.size)))
        return state, events_from(self._read("events", EVENT.size * state.event_count))

    def memory(self) -> bytes:
        return self._read("data_memory", DATA_BYTES)

    def close(self) -> None:
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


MEMORY_BYTES = 2**21
"""More than the core's own memory. By default 4 GiB of address space would be set aside for each
board, which a process with limits does not have."""


@cache
def _module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    config = wasmtime.Config()
    config.memory_reservation = MEMORY_BYTES
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module.from_file(engine, WASM)
