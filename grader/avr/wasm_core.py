"""The portable simulator: our ATmega328P (core/atmega328p.c) as WebAssembly under wasmtime."""

from __future__ import annotations

import weakref
from functools import cache
from pathlib import Path

import wasmtime

from grader.avr.engine import DATA_BYTES, EVENT, STATE, Event, State, events_from

WASM = Path(__file__).parent / "core" / "atmega328p.wasm"


class WasmCore:
    """Implements grader.avr.engine.Engine."""

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
