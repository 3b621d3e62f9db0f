"""A simulated UNO: an image on an ATmega328P at 16 MHz, its serial port, its markers.

The protocol, one line at a time over 115,200 baud 8N1 (ASCII, lines end with ``\\n``):

- ``query\\n`` is answered by the whole reply and ``\\n``;
- ``query\\tcontext\\n`` is answered by the one character that follows `context` in the reply
  to `query`, and ``\\n``; by ``\\n`` alone where the reply ends there.

The firmware sends nothing unasked, echoes nothing, and answers an empty line like any other. It
writes 1 to GPIOR0 before each inference (one character) and 2 after it; between the two it may
write 16 + k when layer k begins. A host waits for the answer before it sends the next line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from grader.board.engine import FLASH_WORDS, MAX_INPUT, Engine, Event, Kind, State, Stop
from grader.board.image import CLOCK_HZ, FLASH_BYTES, SRAM_BEGIN, SRAM_BYTES, Image
from grader.board.stopped import FirmwareStopped, explain, explain_output

Simulator = Literal["portable", "system"]

BEGIN, END, FIRST_LAYER = 1, 2, 16
MAX_LINE = MAX_INPUT - 1
MAX_MARKS = 100_000
DEFAULT_CYCLES = 160_000_000
"""Ten seconds of the board for one line."""
PAINT = 0xA5
_SLICE = 16_000_000


@dataclass(frozen=True)
class Mark:
    """A write of `value` to GPIOR0, at the start of the instruction that made it."""

    value: int
    cycle: int


@dataclass(frozen=True)
class Inference:
    """One next character: from the write of 1 to the write of 2."""

    begin: int
    end: int
    layers: tuple[Mark, ...] = ()
    """Writes of 16 and above in between."""

    @property
    def cycles(self) -> int:
        return self.end - self.begin

    def layer_cycles(self) -> dict[int, int]:
        """Cycles from the mark of each layer to the next mark, by the layer's number; what comes
        before the first mark is under -1."""
        starts = [(-1, self.begin), *((m.value - FIRST_LAYER, m.cycle) for m in self.layers)]
        ends = [start for _, start in starts[1:]] + [self.end]
        spent: dict[int, int] = {}
        for (layer, start), end in zip(starts, ends, strict=True):
            spent[layer] = spent.get(layer, 0) + end - start
        return {layer: cycles for layer, cycles in spent.items() if layer >= 0 or cycles}


@dataclass(frozen=True)
class Reply:
    """The answer to one line, and what it took. All cycles count from the reset."""

    text: str
    """Without the line's end."""
    asked: int
    """Cycle at which the firmware took the first byte of the line."""
    line_read: int
    """Cycle at which it took the line's end."""
    sent: tuple[int, ...]
    """Cycle of each byte it sent, the line's end included."""
    marks: tuple[Mark, ...]
    inferences: tuple[Inference, ...]

    @property
    def cycles(self) -> int:
        """From taking the first byte to sending the last, wherever the markers are. The board
        never waits for input in between, so all of it is work."""
        return self.sent[-1] - self.asked

    @property
    def inference_cycles(self) -> int:
        return sum(inference.cycles for inference in self.inferences)

    @property
    def outside_cycles(self) -> int:
        """Work that the markers do not tell of: reading the line, sending, and anything hidden."""
        return self.cycles - self.inference_cycles


class Board:
    """An image that runs. Use it in a `with` block; every reset starts from power-on."""

    def __init__(
        self, image: Image, simulator: Simulator = "portable", *, paint: int | None = PAINT
    ) -> None:
        """`paint` fills SRAM before the reset; None fills it with noise, as power-on does, so
        that a firmware that reads variables it never set shows it."""
        self.image = image
        self._engine = _engine(simulator)
        self._paint = paint
        self.reset()

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._engine.close()

    def reset(self) -> None:
        """Power-on: registers zero, SRAM painted, program counter 0, cycle 0."""
        flash = self.image.flash.ljust(FLASH_BYTES, b"\xff")
        limit = self.image.stack_limit
        self._engine.load(flash, _data_marks(self.image), _painted(self._paint), limit)
        self.cycle = 0
        self._lowest_sp = SRAM_BEGIN + SRAM_BYTES - 1

    def ask(self, line: str | bytes, max_cycles: int = DEFAULT_CYCLES) -> Reply:
        """Send one line (without its end), wait for the answer.

        Raises FirmwareStopped when the firmware does anything but answer with one line of
        printable ASCII within `max_cycles`.
        """
        data = (line.encode("ascii") if isinstance(line, str) else line) + b"\n"
        if len(data) > MAX_INPUT or b"\n" in data[:-1]:
            raise ValueError(f"a line has at most {MAX_LINE} bytes and no end of line in it")
        limit, events = self.cycle + max_cycles, list[Event]()
        while True:
            state, new = self._engine.run(
                min(limit, self.cycle + _SLICE), data, stop_at_line_end=True
            )
            self._note(state)
            data = data[len(data) - state.input_left :]
            events += new
            if problem := explain_output(events, done=state.stop == Stop.AT_LINE_END):
                raise FirmwareStopped(state.stop, problem, state.cycle)
            if state.stop == Stop.AT_LINE_END:
                return _reply(events)
            self._go_on(state, limit)
            if len(events) > MAX_MARKS:
                raise FirmwareStopped(state.stop, explain(Stop.EVENTS_FULL), state.cycle)

    def run(self, cycles: int, data: bytes = b"") -> list[Event]:
        """Run for `cycles` with `data` to be read, whatever the firmware sends; all events.

        A firmware that waits for more input than there is ends the run early.
        """
        limit, events = self.cycle + cycles, list[Event]()
        while self.cycle < limit:
            state, new = self._engine.run(limit, data)
            self._note(state)
            data = data[len(data) - state.input_left :]
            events += new
            if state.stop in (Stop.AT_LIMIT, Stop.STARVED):
                break
            self._go_on(state, limit)
        return events

    @property
    def stack_bytes(self) -> int:
        """The most that the stack has taken: by the stack pointer, or by the paint that is gone
        from above the static variables, whichever tells of more."""
        top = SRAM_BEGIN + SRAM_BYTES
        by_pointer = top - 1 - self._lowest_sp
        if self._paint is None:
            return by_pointer
        above = self._engine.memory()[self.image.stack_limit : top]
        return max(by_pointer, len(above.lstrip(bytes([self._paint]))))

    @property
    def sram_bytes(self) -> int:
        """Static variables and the most that the stack has taken."""
        return self.image.static_bytes + self.stack_bytes

    @property
    def memory(self) -> bytes:
        """The data space, (2,304,) bytes: registers, I/O as zeros, SRAM from 0x100."""
        return self._engine.memory()

    def _note(self, state: State) -> None:
        self.cycle = state.cycle
        self._lowest_sp = min(self._lowest_sp, state.lowest_sp)

    def _go_on(self, state: State, limit: int) -> None:
        """Return when the run can be continued, raise when it cannot."""
        stop = Stop(state.stop)
        if stop in (Stop.AT_LINE_END, Stop.EVENTS_FULL):
            return
        if stop == Stop.AT_LIMIT and state.cycle < limit:
            return
        place = 2 * (state.pc if stop == Stop.INTO_DATA else state.last_pc)
        symbol = self.image.symbol_at(place)
        where = f"{symbol.name} ({place:#06x})" if symbol else f"{place:#06x}"
        raise FirmwareStopped(stop, explain(stop, where, state.address), state.cycle)


def milliseconds(cycles: float) -> float:
    """Time that cycles take on an UNO."""
    return cycles * 1000 / CLOCK_HZ


def _engine(simulator: Simulator) -> Engine:
    if simulator == "system":
        from grader.board.simavr_engine import Simavr

        return Simavr()
    from grader.board.engine import WasmCore

    return WasmCore()


def _painted(paint: int | None) -> bytes:
    if paint is not None:
        return bytes([paint]) * SRAM_BYTES
    import random

    return random.Random(SRAM_BYTES).randbytes(SRAM_BYTES)


def _data_marks(image: Image) -> bytes:
    """1 for each word of flash that lies inside an object: a table is never executed."""
    marks = bytearray(FLASH_WORDS)
    for symbol in image.symbols:
        if symbol.memory == "flash" and symbol.kind == "data" and symbol.size > 1:
            first, end = (symbol.address + 1) // 2, (symbol.address + symbol.size) // 2
            marks[first:end] = b"\x01" * (end - first)
    initial_values = (image.text_bytes + 1) // 2
    marks[initial_values : len(image.flash) // 2] = b"\x01" * (
        len(image.flash) // 2 - initial_values
    )
    return bytes(marks[:FLASH_WORDS])


def _reply(events: Sequence[Event]) -> Reply:
    received = [event for event in events if event.kind == Kind.RECEIVED]
    sent = [event for event in events if event.kind == Kind.SENT]
    marks = tuple(Mark(event.value, event.cycle) for event in events if event.kind == Kind.MARK)
    return Reply(
        text=bytes(event.value for event in sent[:-1]).decode("ascii"),
        asked=received[0].cycle,
        line_read=received[-1].cycle,
        sent=tuple(event.cycle for event in sent),
        marks=marks,
        inferences=tuple(_inferences(marks)),
    )


def _inferences(marks: Iterable[Mark]) -> list[Inference]:
    found: list[Inference] = []
    begin: int | None = None
    layers: list[Mark] = []
    for mark in marks:
        if mark.value == BEGIN:
            begin, layers = mark.cycle, []
        elif mark.value == END and begin is not None:
            found.append(Inference(begin, mark.cycle, tuple(layers)))
            begin = None
        elif mark.value >= FIRST_LAYER:
            layers.append(mark)
    return found
