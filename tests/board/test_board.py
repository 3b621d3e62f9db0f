"""A firmware on the simulated board: replies, markers, memory, and every reason to stop."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from grader import board
from tests.board.oracles import NEEDS_AVR_GCC, NEEDS_SIMAVR, avr_gcc, simavr
from tests.board.projects import FOLDER, GOOD, LINES, SERIAL, answering, project

Start = Callable[[board.Image], board.Board]
Build = Callable[..., board.Image]
SIMULATORS = [
    pytest.param(board.Board, id="ours"),
    pytest.param(simavr.board, marks=NEEDS_SIMAVR, id="simavr"),
]
COMPILERS = [
    pytest.param(board.build, id="pinned"),
    pytest.param(avr_gcc.build, marks=NEEDS_AVR_GCC, id="avr-gcc"),
]
REFERENCES = [
    path.parent
    for path in sorted((Path(__file__).parents[2] / "reference_solutions").rglob("weights.h"))
    if (path.parent / "main.c").exists()
]
OK = "serial_put('o'); serial_put('k'); serial_put('\\n');"


@pytest.mark.parametrize("start", SIMULATORS)
def test_a_line_gets_its_reply_and_each_inference_its_cycles(start: Start) -> None:
    image = board.build(project("echo"))
    with start(image) as uno:
        replies = [uno.ask(line) for line in LINES]
    assert [reply.text for reply in replies] == list(LINES)
    reply = replies[0]
    assert len(reply.inferences) == len("hello")
    assert len(reply.sent) == len("hello\n")
    assert all(set(i.layer_cycles()) >= {0, 1} for i in reply.inferences)
    assert all(sum(i.layer_cycles().values()) == i.cycles for i in reply.inferences)
    assert reply.cycles == reply.inference_cycles + reply.outside_cycles
    assert reply.asked < reply.inferences[0].begin < reply.sent[0]


@NEEDS_SIMAVR
@pytest.mark.parametrize("build", COMPILERS)
@pytest.mark.parametrize("name", GOOD)
def test_both_simulators_agree_to_the_cycle(name: str, build: Build) -> None:
    image = build(project(name))
    with board.Board(image) as ours, simavr.board(image) as theirs:
        for line in LINES:
            assert ours.ask(line) == theirs.ask(line)
        assert ours.cycle == theirs.cycle
        assert ours.sram_bytes == theirs.sram_bytes
        assert ours.memory == theirs.memory


@NEEDS_SIMAVR
@pytest.mark.parametrize("build", COMPILERS)
@pytest.mark.parametrize("folder", REFERENCES, ids=lambda folder: folder.parent.name)
def test_the_references_measure_the_same_on_both_simulators(folder: Path, build: Build) -> None:
    image = build(folder)
    with board.Board(image) as ours, simavr.board(image) as theirs:
        for line in ("hello", "are you sure?", "are you sure?\tI"):
            assert ours.ask(line) == theirs.ask(line)
        assert ours.sram_bytes == theirs.sram_bytes
        assert ours.memory == theirs.memory


@NEEDS_AVR_GCC
@pytest.mark.parametrize("name", GOOD)
def test_both_compilers_make_programs_that_answer_alike(name: str) -> None:
    answers = []
    for build in (board.build, avr_gcc.build):
        with board.Board(build(project(name))) as uno:
            answers.append([uno.ask(line).text for line in LINES])
    assert answers[0] == answers[1]


@pytest.mark.slow
@pytest.mark.parametrize("build", COMPILERS)
def test_cpp_with_constructors_runs(build: Build) -> None:
    files = {"main.cpp": (FOLDER / "plus.cpp").read_bytes(), "serial.h": SERIAL}
    with board.Board(build(files)) as uno:
        assert [uno.ask("x").text for _ in range(3)] == ["a", "b", "c"]


def test_a_reset_starts_again_and_runs_are_repeatable() -> None:
    with board.Board(board.build(project("tables"))) as uno:
        first = [uno.ask(line) for line in LINES]
        uno.reset()
        assert [uno.ask(line) for line in LINES] == first


def test_noise_in_memory_shows_variables_that_were_never_set() -> None:
    files = answering(
        "serial_put('a' + (forgotten & 15)); serial_put('\\n');",
        declarations='static uint8_t forgotten __attribute__((section(".noinit")));',
    )
    image = board.build(files)
    with board.Board(image) as painted, board.Board(image, paint=None) as noisy:
        assert painted.ask("x").text == "f"  # 0xA5
        assert noisy.ask("x").text != "f"


def test_the_stack_is_measured_by_pointer_and_by_paint() -> None:
    files = answering(
        "fill(); " + OK,
        declarations="static void __attribute__((noinline)) fill(void) {"
        " volatile uint8_t big[300]; for (uint16_t i = 0; i < 300; i++) big[i] = i; }",
    )
    with board.Board(board.build(files)) as uno:
        uno.ask("x")
        assert 300 < uno.stack_bytes < 330
        assert uno.sram_bytes == uno.image.static_bytes + uno.stack_bytes


def test_a_byte_written_to_a_busy_transmitter_is_lost() -> None:
    image = board.build(answering("UDR0 = 'a'; UDR0 = 'b'; UDR0 = 'c'; UDR0 = '\\n';"))
    with board.Board(image) as uno, pytest.raises(board.FirmwareStopped, match="UDRE0"):
        uno.ask("x")


def test_sending_takes_the_time_of_the_real_line() -> None:
    """U2X with UBRR 16 is 8 * 17 cycles a bit, ten bits a byte."""
    body = "for (uint8_t i = 0; i < 20; i++) serial_put('x'); serial_put('\\n');"
    with board.Board(board.build(answering(body))) as uno:
        sent = uno.ask("x").sent
    gaps = [later - earlier for earlier, later in pairwise(sent[2:])]
    assert all(abs(gap - 1_360) < 16 for gap in gaps)


def test_the_rate_of_a_port_without_double_speed_is_understood() -> None:
    """UBRR 8 gives 16 * 9 cycles a bit, 111,111 baud."""
    body = "UCSR0A = 0; UBRR0 = 8; serial_put('x'); serial_put('\\n');"
    with board.Board(board.build(answering(body))) as uno:
        assert [uno.ask("q").text, uno.ask("q").text] == ["x", "x"]


BAD = {
    "endless loop": ("for (;;) {}", board.Stop.AT_LIMIT, "main"),
    "no reply": ("", board.Stop.STARVED, "no reply"),
    "receiver off": ("UCSR0B = 1 << TXEN0;", board.Stop.STARVED, "RXEN0"),
    "timer": ("serial_put('0' + TCNT1L); " + OK, board.Stop.REFUSED_READ, "TCNT1L"),
    "timer set": ("TCCR1B = 1; " + OK, board.Stop.REFUSED_WRITE, "TCCR1B"),
    "EEPROM": ("EECR = 1; " + OK, board.Stop.REFUSED_WRITE, "EECR"),
    "watchdog": ("WDTCSR = 8; " + OK, board.Stop.REFUSED_WRITE, "WDTCSR"),
    "interrupt": ("UCSR0B |= 1 << RXCIE0; " + OK, board.Stop.REFUSED_INTERRUPT, "interrupts"),
    "self-programming": ('asm volatile("spm"); ' + OK, board.Stop.SELF_PROGRAMMING, "SPM"),
    "sleep": ('asm volatile("sleep"); ' + OK, board.Stop.SLEPT, "SLEEP"),
    "break": ('asm volatile("break"); ' + OK, board.Stop.BROKE, "BREAK"),
    "illegal": ('asm volatile(".word 0xffff"); ' + OK, board.Stop.ILLEGAL_OPCODE, "no instruction"),
    "wild pointer": ("*(volatile uint8_t *)0x4000 = 1; " + OK, board.Stop.WILD_ADDRESS, "0x8FF"),
    "wild jump": (
        "((void (*)(void))0x7000)(); " + OK,
        board.Stop.OUTSIDE_FLASH,
        "outside",
    ),
    "erased flash": ("((void (*)(void))0x3000)(); " + OK, board.Stop.ILLEGAL_OPCODE, "0x6000"),
    "recursion": ("deep(count); " + OK, board.Stop.STACK_OVERFLOW, "stack"),
    "code in a table": (
        "((void (*)(void))((uint16_t)code / 2))(); " + OK,
        board.Stop.INTO_DATA,
        "code",
    ),
    "fastest rate": ("UBRR0 = 0; " + OK, board.Stop.WRONG_RATE, "at 2,000,000 baud"),
    "without U2X0": ("UCSR0A = 0; " + OK, board.Stop.WRONG_RATE, "at 58,824 baud"),
    "a little fast": ("UBRR0 = 15; " + OK, board.Stop.WRONG_RATE, "at 125,000 baud"),
    "a little slow": ("UBRR0 = 18; " + OK, board.Stop.WRONG_RATE, "at 105,263 baud"),
    "rate while sending": (
        "serial_put('a'); UBRR0 = 0; UBRR0 = 16; serial_put('\\n');",
        board.Stop.WRONG_RATE,
        "leave both",
    ),
    "U2X0 while sending": (
        "UBRR0 = 8; UCSR0A = 0; serial_put('a'); UCSR0A = 1 << U2X0; serial_put('\\n');",
        board.Stop.WRONG_RATE,
        "at 222,222 baud",
    ),
    "two stop bits": ("UCSR0C |= 1 << USBS0; " + OK, board.Stop.WRONG_FORMAT, "8N1"),
    "parity": ("UCSR0C |= 1 << UPM01; " + OK, board.Stop.WRONG_FORMAT, "UCSR0C"),
    "five bits": ("UCSR0C = 0; " + OK, board.Stop.WRONG_FORMAT, "UCSZ01"),
    "nine bits": ("UCSR0B |= 1 << UCSZ02; " + OK, board.Stop.WRONG_FORMAT, "UCSZ02"),
    "synchronous": ("UCSR0C |= 1 << UMSEL00; " + OK, board.Stop.WRONG_FORMAT, "8N1"),
    "transmitter off": ("UCSR0B = 1 << RXEN0; " + OK, None, "switched off"),
    "garbage": ("serial_put(200); serial_put('\\n');", None, "printable"),
    "carriage return": (
        "serial_put('a'); serial_put('\\r'); serial_put('\\n');",
        None,
        "printable",
    ),
    "too long": ("for (;;) serial_put('x');", None, "no end"),
    "endless markers": ("for (;;) GPIOR0 = 1;", None, "GPIOR0"),
}
EXTRAS = """
static const uint8_t code[] PROGMEM = {0x08, 0x95, 0x08, 0x95};
uint8_t deep(uint8_t n) {
    volatile uint8_t local[50];
    local[n % 50] = deep(n + 1);
    return local[n % 50] + deep(n + 2);
}
"""


@pytest.mark.parametrize("start", SIMULATORS)
@pytest.mark.parametrize("what", BAD)
def test_what_goes_wrong_is_named(what: str, start: Start) -> None:
    body, stop, words = BAD[what]
    image = board.build(answering(body, declarations=EXTRAS))
    with start(image) as uno, pytest.raises(board.FirmwareStopped) as caught:
        uno.ask("hello", max_cycles=4_000_000)
    assert words in caught.value.text.to("en")
    assert caught.value.text.to("ru") != caught.value.text.to("en")
    if stop is not None:
        assert caught.value.stop == stop


def test_a_greeting_or_an_echo_is_refused() -> None:
    for files in (
        answering(OK, before="serial_put('h'); serial_put('i');"),
        answering(OK, before="serial_put('h'); serial_put('\\n');"),
    ):
        image = board.build(files)
        with board.Board(image) as uno, pytest.raises(board.FirmwareStopped, match="before it had"):
            uno.ask("hello")


def test_work_outside_the_markers_is_counted() -> None:
    work = 'for (uint16_t i = 0; i < 5000; i++) asm volatile("nop");'
    marked = answering("GPIOR0 = 1; " + work + " GPIOR0 = 2; " + OK)
    hidden = answering("GPIOR0 = 1; GPIOR0 = 2; " + work + OK)
    early = answering("GPIOR0 = 1; GPIOR0 = 2; " + OK)
    early["serial.h"] = early["serial.h"].replace(
        b"        if (count < size)\n", f"    {{ {work} }} if (count < size)\n".encode()
    )
    outside = {}
    for name, files in (("marked", marked), ("hidden", hidden), ("early", early)):
        with board.Board(board.build(files)) as uno:
            outside[name] = uno.ask("hello").outside_cycles
    assert outside["marked"] < 2_000
    assert outside["hidden"] > 20_000
    assert outside["early"] > 100_000


def test_a_table_of_any_declared_size_takes_bounded_memory() -> None:
    """A project may declare a size of gigabytes for a symbol in flash."""
    files = answering(OK)
    files["table.S"] = (
        b".section .progmem.data\n.global table\n.type table, @object\n"
        b"table: .word 0\n.size table, 0xfffffff0\n"
    )
    files["main.c"] += b"extern const char table; const void *volatile keep = &table;\n"
    files["main.c"] += b"__attribute__((constructor, used)) void use(void) { (void)keep; }\n"
    image = board.build(files)
    assert max(symbol.size for symbol in image.symbols) > 2**31
    with board.Board(image) as uno, pytest.raises(board.FirmwareStopped):
        uno.ask("x")
