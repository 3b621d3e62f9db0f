"""Messages about a firmware that did not answer as the protocol says."""

from __future__ import annotations

from collections.abc import Sequence

from grader.board.image import CLOCK_HZ
from grader.board.processor import Event, Kind, Stop
from grader.text import Text
from grader.text.errors import Rejected

MAX_REPLY = 256


class FirmwareStopped(Rejected):
    """The firmware did not answer as it must: `stop` is the reason for which its run ended, `cycle`
    the time, counted from the reset."""

    def __init__(self, stop: int, text: Text, cycle: int) -> None:
        super().__init__(text)
        self.stop = Stop(stop)
        self.cycle = cycle


def explain_output(events: Sequence[Event], *, done: bool) -> Text | None:
    """What is wrong with the output so far, or None. `done` says that the line's end was sent."""
    sent = [event for event in events if event.kind == Kind.SENT]
    ends = [e.cycle for e in events if e.kind == Kind.RECEIVED and e.value == ord("\n")]
    text = bytes(event.value for event in (sent[:-1] if done else sent))
    if any(event.kind == Kind.LOST for event in events):
        return Text(
            "The firmware wrote to UDR0 while the transmitter was busy or switched off, so a "
            "byte was lost; set TXEN0 and wait for UDRE0 in UCSR0A before each byte."
        )
    if sent and (not ends or sent[0].cycle < ends[0]):
        return Text(
            "The firmware sent something before it had read a whole line; it may send only "
            "replies, without echo or greeting."
        )
    if any(not 32 <= byte < 127 for byte in text):
        shown = text[:24].decode("latin-1").encode("unicode_escape").decode()
        return Text(
            "The reply is not printable ASCII: '{shown}'. Send characters 32 to 126 and end the "
            "reply with '\\n' alone.",
            shown=shown,
        )
    if len(text) > MAX_REPLY:
        return Text(
            "The reply has more than {max_reply} characters and no end; send '\\n' when the "
            "network predicts the end, and stop after a fixed length.",
            max_reply=MAX_REPLY,
        )
    return None


def explain(stop: Stop, where: str = "", address: int = 0) -> Text:
    """The message for a stop in the code at `where`, caused by the data address `address`, or by
    `address` cycles per bit of the serial port."""
    if stop == Stop.WRONG_RATE:
        return _SENTENCES[stop].filled(where=where, rate=round(CLOCK_HZ / max(address, 1)))
    register = REGISTERS.get(address, f"{address:#04x}")
    return _SENTENCES[stop].filled(where=where, register=register)


REGISTERS = {
    **{0x35 + n: f"TIFR{n}" for n in range(3)},
    0x3F: "EECR",
    0x40: "EEDR",
    0x41: "EEARL",
    0x42: "EEARH",
    0x43: "GTCCR",
    0x44: "TCCR0A",
    0x45: "TCCR0B",
    0x46: "TCNT0",
    0x47: "OCR0A",
    0x48: "OCR0B",
    0x4C: "SPCR",
    0x4E: "SPDR",
    0x50: "ACSR",
    0x53: "SMCR",
    0x55: "MCUCR",
    0x57: "SPMCSR",
    0x60: "WDTCSR",
    0x61: "CLKPR",
    0x6E: "TIMSK0",
    0x6F: "TIMSK1",
    0x70: "TIMSK2",
    0x78: "ADCL",
    0x79: "ADCH",
    0x7A: "ADCSRA",
    0x7C: "ADMUX",
    0x80: "TCCR1A",
    0x81: "TCCR1B",
    0x84: "TCNT1L",
    0x85: "TCNT1H",
    0x88: "OCR1AL",
    0x89: "OCR1AH",
    0xB0: "TCCR2A",
    0xB1: "TCCR2B",
    0xB2: "TCNT2",
    0xC1: "UCSR0B",
}
"""Names of registers that are not simulated, by their data address."""

_SENTENCES: dict[Stop, Text] = {
    Stop.AT_LIMIT: Text(
        "The firmware did not answer in time; it was in {where}. Look for an endless loop there."
    ),
    Stop.EVENTS_FULL: Text(
        "The firmware writes to GPIOR0 or the serial port without end; mark each inference once."
    ),
    Stop.STARVED: Text(
        "The firmware sent no reply and waits for more input; switch the receiver on "
        "(RXEN0) and answer each line when its '\\n' has come."
    ),
    Stop.STACK_OVERFLOW: Text(
        "The stack grew into the static variables, in {where}; make arrays smaller or share them."
    ),
    Stop.REFUSED_READ: Text(
        "The firmware read {register} in {where}; timers and other peripherals are not "
        "simulated, only the serial port, ports and GPIOR0-2 are."
    ),
    Stop.REFUSED_WRITE: Text(
        "The firmware wrote to {register} in {where}; timers and other peripherals are not "
        "simulated, only the serial port, ports and GPIOR0-2 are."
    ),
    Stop.REFUSED_INTERRUPT: Text(
        "The firmware enabled interrupts of the serial port in {where}; they are not "
        "simulated: look at UCSR0A in a loop instead."
    ),
    Stop.WILD_ADDRESS: Text(
        "The firmware used a data address beyond the end of SRAM (0x8FF) in {where}; look "
        "for an index or a pointer that runs away, or a return that finds no address on "
        "the stack."
    ),
    Stop.ILLEGAL_OPCODE: Text(
        "The processor met a word that is no instruction of the ATmega328P at {where}; "
        "probably it jumped to a wrong address."
    ),
    Stop.SELF_PROGRAMMING: Text(
        "The firmware executed SPM in {where}; a program may not rewrite its own flash here."
    ),
    Stop.SLEPT: Text(
        "The firmware executed SLEEP in {where}; nothing would ever wake it: wait in a loop."
    ),
    Stop.BROKE: Text("The firmware executed BREAK in {where}; that is for debuggers: remove it."),
    Stop.OUTSIDE_FLASH: Text(
        "The processor jumped outside the flash memory, from {where}; look for a wrong "
        "function pointer or an overwritten stack."
    ),
    Stop.INTO_DATA: Text(
        "The processor was about to execute the table {where}; data must not be executed."
    ),
    Stop.WRONG_RATE: Text(
        "The firmware uses the serial port at {rate:,} baud, in {where}; the host understands "
        "115,200 baud within 4%: set U2X0 in UCSR0A and UBRR0 = 16, and leave both."
    ),
    Stop.WRONG_FORMAT: Text(
        "The firmware uses the serial port in another format than 8N1, in {where}; set UCSR0C to "
        "1 << UCSZ01 | 1 << UCSZ00, UCSZ02 in UCSR0B to 0, and leave both."
    ),
}
