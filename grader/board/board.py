"""A simulated Arduino UNO: a program on an ATmega328P at 16 MHz, its serial port, its markers.

The protocol, one line at a time over 115,200 baud 8N1 (ASCII, lines end with ``\\n``):

- ``query\\n`` is answered by the whole reply and ``\\n``;
- ``query\\tcontext\\n`` is answered by the one character that follows `context` in the reply
  to `query`, and ``\\n``; by ``\\n`` alone where the reply ends there.

The firmware sends only replies, without echo, and answers an empty line like any other. It
writes 1 to GPIOR0 before each inference (one character) and 2 after it; between the two it may
write 16 + k when layer k begins. A host waits for the answer before it sends the next line. A port
that is used at another rate (by more than 4%) or in another format ends the run.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.board.image import CLOCK_HZ, FLASH_BYTES, SRAM_BEGIN, SRAM_BYTES, Image
from grader.board.processor import FLASH_WORDS, MAX_INPUT, Event, Kind, Processor, Stop
from grader.board.stopped import FirmwareStopped, explain, explain_output

BEGIN, END, FIRST_LAYER = 1, 2, 16
MAX_LINE = MAX_INPUT - 1
MAX_MARKS = 100_000
DEFAULT_CYCLES = 160_000_000
"""For one line: ten seconds on an UNO."""
PAINT = 0xA5
"""The byte that fills SRAM before a run, to see later how much of it the stack has used."""
_SLICE = 16_000_000


@dataclass(frozen=True)
class Mark:
    """A write of `value` to GPIOR0; `cycle` is the start of the instruction."""

    value: int
    cycle: int


@dataclass(frozen=True)
class Inference:
    """The prediction of one character, from the write of 1 to the write of 2."""

    begin: int
    end: int
    layers: tuple[Mark, ...] = ()
    """The writes of 16 and above between these."""

    @property
    def cycles(self) -> int:
        return self.end - self.begin

    def layer_cycles(self) -> dict[int, int]:
        """Cycles from the mark of each layer to the next mark, by the number of the layer; -1 has
        the cycles before the first mark."""
        starts = [(-1, self.begin), *((m.value - FIRST_LAYER, m.cycle) for m in self.layers)]
        ends = [start for _, start in starts[1:]] + [self.end]
        spent: Counter[int] = Counter()
        for (layer, start), end in zip(starts, ends, strict=True):
            spent[layer] += end - start
        return {layer: cycles for layer, cycles in spent.items() if layer >= 0 or cycles}


@dataclass(frozen=True)
class Reply:
    """The answer to one line and its costs. All cycles count from the reset."""

    text: str
    """Without the line's end."""
    asked: int
    """Cycle at which the firmware read the first byte of the line."""
    sent: tuple[int, ...]
    """Cycle of each byte it sent, the line's end included."""
    marks: tuple[Mark, ...]
    inferences: tuple[Inference, ...]

    @property
    def cycles(self) -> int:
        """Cycles from reading the first byte to sending the last, wherever the markers are. The
        board never waits for input in between."""
        return self.sent[-1] - self.asked

    @property
    def inference_cycles(self) -> int:
        return sum(inference.cycles for inference in self.inferences)

    @property
    def outside_cycles(self) -> int:
        """Work outside the markers: reading the line, sending, and whatever else is done there."""
        return self.cycles - self.inference_cycles


class Board:
    """An image that runs. Use it in a `with` block; every reset starts from power-on."""

    def __init__(
        self, image: Image, *, paint: int | None = PAINT, processor: Processor | None = None
    ) -> None:
        """`paint` fills SRAM before the reset; None fills it with noise, as power-on does, which
        changes the answers of a firmware that reads variables it never set. `processor` executes
        the image and is closed with the board; by default it is a new one."""
        self.image = image
        self._processor = processor or Processor()
        self._paint = paint
        self.reset()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._processor.close()

    def reset(self) -> None:
        """Power-on: registers zero, SRAM painted, program counter 0, cycle 0."""
        if self._paint is None:
            sram = random.Random(SRAM_BYTES).randbytes(SRAM_BYTES)
        else:
            sram = bytes([self._paint]) * SRAM_BYTES
        flash = self.image.flash.ljust(FLASH_BYTES, b"\xff")
        self._processor.load(flash, _data_marks(self.image), sram, self.image.stack_limit)
        self.cycle = 0
        self._lowest_sp = SRAM_BEGIN + SRAM_BYTES - 1

    def ask(self, line: str | bytes, max_cycles: int = DEFAULT_CYCLES) -> Reply:
        """Send one line (without its end) and wait for the answer.

        Raises FirmwareStopped unless the firmware answers with one line of printable ASCII within
        `max_cycles`, ValueError for a line that is too long or has a line's end in it.
        """
        data = (line.encode("ascii") if isinstance(line, str) else line) + b"\n"
        if len(data) > MAX_INPUT or b"\n" in data[:-1]:
            raise ValueError(f"a line has at most {MAX_LINE} bytes and no end of line in it")
        limit, events = self.cycle + max_cycles, list[Event]()
        while True:
            until = min(limit, self.cycle + _SLICE)
            state, new = self._processor.run(until, data, stop_at_line_end=True)
            events += new
            data = data[len(data) - state.input_left :]
            self.cycle = state.cycle
            self._lowest_sp = min(self._lowest_sp, state.lowest_sp)
            stop = Stop(state.stop)
            if problem := explain_output(events, done=stop == Stop.AT_LINE_END):
                raise FirmwareStopped(stop, problem, state.cycle)
            if stop == Stop.AT_LINE_END:
                return _reply(events)
            if stop != Stop.EVENTS_FULL and (stop != Stop.AT_LIMIT or state.cycle >= limit):
                place = 2 * (state.pc if stop == Stop.INTO_DATA else state.last_pc)
                symbol = self.image.symbol_at(place)
                where = f"{symbol.name} ({place:#06x})" if symbol else f"{place:#06x}"
                raise FirmwareStopped(stop, explain(stop, where, state.address), state.cycle)
            if len(events) > MAX_MARKS:
                raise FirmwareStopped(stop, explain(Stop.EVENTS_FULL), state.cycle)

    @property
    def stack_bytes(self) -> int:
        """The largest size of the stack: by the stack pointer or by the paint that is overwritten
        above the static variables, whichever is more."""
        top = SRAM_BEGIN + SRAM_BYTES
        by_pointer = top - 1 - self._lowest_sp
        if self._paint is None:
            return by_pointer
        above = self._processor.memory()[self.image.stack_limit : top]
        return max(by_pointer, len(above.lstrip(bytes([self._paint]))))

    @property
    def sram_bytes(self) -> int:
        """Static variables and the largest size of the stack."""
        return self.image.static_bytes + self.stack_bytes

    @property
    def memory(self) -> bytes:
        """The data space, (2,304,) bytes: registers, I/O as zeros, SRAM from 0x100."""
        return self._processor.memory()


def milliseconds(cycles: float) -> float:
    """Time that cycles take on an UNO."""
    return cycles * 1000 / CLOCK_HZ


def _data_marks(image: Image) -> bytes:
    """One byte per word of flash, 1 where the word lies inside a table or initial values."""
    marks = bytearray(FLASH_WORDS)
    for symbol in image.symbols:
        if symbol.memory == "flash" and symbol.kind == "data" and symbol.size > 1:
            first, end = (symbol.address + 1) // 2, (symbol.address + symbol.size) // 2
            end = min(end, FLASH_WORDS)  # a program may declare any size
            marks[first:end] = b"\x01" * (end - first)
    first, end = (image.text_bytes + 1) // 2, len(image.flash) // 2
    marks[first:end] = b"\x01" * (end - first)
    return bytes(marks)


def _reply(events: Sequence[Event]) -> Reply:
    sent = [event for event in events if event.kind == Kind.SENT]
    marks = tuple(Mark(event.value, event.cycle) for event in events if event.kind == Kind.MARK)
    return Reply(
        text=bytes(event.value for event in sent[:-1]).decode("ascii"),
        asked=next(event.cycle for event in events if event.kind == Kind.RECEIVED),
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
