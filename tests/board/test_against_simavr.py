"""Our processor and simavr, one instruction at a time: registers, SREG, SP, PC, SRAM, cycles."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from grader.board.processor import FLASH_WORDS, Processor, Stop
from tests.board.instructions import (
    CALL,
    ICALL,
    IJMP,
    IO_PATTERNS,
    JMP,
    LDS,
    PATTERNS,
    POINTERS,
    RET,
    RETI,
    STS,
    encode,
    load_immediate,
    random_program,
)
from tests.board.oracles import NEEDS_SIMAVR
from tests.board.oracles.simavr import Simavr

pytestmark = NEEDS_SIMAVR
STEPS = 300
Pair = tuple[Processor, Simavr]


@pytest.fixture(scope="module")
def processors() -> Iterator[Pair]:
    ours, simavr = Processor(), Simavr()
    yield ours, simavr
    simavr.close()
    ours.close()


def start(processors: Pair, words: list[int], sram: bytes) -> None:
    flash = struct.pack(f"<{FLASH_WORDS}H", *words, *[0] * (FLASH_WORDS - len(words)))
    for processor in processors:
        processor.load(flash, bytes(FLASH_WORDS), sram, 0x100)


def compare_steps(
    processors: Pair, words: list[int], steps: int, seen: Counter[str] | None = None
) -> Stop:
    """Step both processors and compare them. Ends early where the program leaves the memories."""
    ours, simavr = processors
    cycle, stop = 0, Stop.AT_LIMIT
    for _ in range(steps):
        (mine, my_events), (theirs, their_events) = ours.run(cycle + 1), simavr.run(cycle + 1)
        stop = Stop(mine.stop)
        assert stop == theirs.stop
        if stop == Stop.WILD_ADDRESS:  # what the rest of that instruction did is undefined
            break
        what = f"{words[mine.last_pc]:#06x} at {mine.last_pc:#06x}"
        assert mine == theirs, what
        assert my_events == their_events, what
        assert ours.memory() == simavr.memory(), what
        cycle = mine.cycle
        if seen is not None:
            seen.update(_matching(words[mine.last_pc]))
        if stop != Stop.AT_LIMIT:
            break
    return stop


def test_random_programs_agree_after_every_instruction(processors: Pair) -> None:
    seen = Counter[str]()
    for seed in range(25):
        rng = random.Random(seed)
        words = random_program(rng)
        start(processors, words, rng.randbytes(2_048))
        compare_steps(processors, words, STEPS, seen)
    assert not set(ALL_PATTERNS) - set(seen)
    assert sum(seen.values()) > 4_000


@pytest.mark.slow
def test_many_more_random_programs_agree(processors: Pair) -> None:
    for seed in range(1_000, 1_200):
        rng = random.Random(seed)
        words = random_program(rng)
        start(processors, words, rng.randbytes(2_048))
        compare_steps(processors, words, 500)


@pytest.mark.parametrize("name", ["ADD", "ADC", "SUB", "SBC", "CP", "CPC", "AND", "OR", "EOR"])
def test_flags_of_two_registers_for_many_values(processors: Pair, name: str) -> None:
    rng = random.Random(name)
    edges = (0, 1, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0x0F, 0x10)
    words: list[int] = []
    for _ in range(150):
        left, right = (rng.choice((*edges, rng.randrange(256))) for _ in range(2))
        words += load_immediate(20, left) + load_immediate(21, right)
        words += [encode(PATTERNS[rng.choice(("BSET", "BCLR"))], s=rng.randrange(7))]
        words += [encode(PATTERNS[name], d=20, r=21)]
    start(processors, words, bytes(2_048))
    assert compare_steps(processors, words, len(words)) == Stop.AT_LIMIT


@pytest.mark.parametrize("skip", ["CPSE", "SBRC", "SBRS", "SBIC", "SBIS"])
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("over", [1, 2])
def test_skips_cost_a_cycle_for_each_word_they_skip(
    processors: Pair, skip: str, taken: bool, over: int
) -> None:
    """Manual: 1 cycle when nothing is skipped, 2 over one word, 3 over two."""
    bit_set = taken == (skip in ("SBRS", "SBIS"))
    words = [*load_immediate(16, 0xFF if bit_set else 0), *load_immediate(17, 0)]
    if skip == "CPSE":
        words = [*load_immediate(16, 0 if taken else 1), *load_immediate(17, 0)]
    words += [encode(IO_PATTERNS["OUT"], A=0x1E, r=16)]
    pattern = PATTERNS.get(skip) or IO_PATTERNS[skip]
    words += [encode(pattern, d=16, r=17 if skip == "CPSE" else 16, b=0, A=0x1E)]
    words += [JMP, 20] if over == 2 else [encode(PATTERNS["ADIW"], d=0, K=0x0D)]
    start(processors, words, bytes(2_048))
    compare_steps(processors, words, 3)
    before = 3
    state, _ = processors[0].run(before + 1)
    assert state.cycle - before == (1 + over if taken else 1)
    assert state.pc == (4 + over if taken else 4)


ALL_PATTERNS = [
    *PATTERNS.values(),
    *IO_PATTERNS.values(),
    *(pattern for _, *accesses in POINTERS.values() for _, pattern in accesses),
    *(LDS, STS),
    *(f"{word:016b}" for word in (JMP, CALL, IJMP, ICALL, RET, RETI)),
]


def _matching(word: int) -> list[str]:
    """The patterns that a word of code fits."""
    bits = f"{word:016b}"
    return [
        pattern
        for pattern in ALL_PATTERNS
        if all(p in (b, *"dArKsbkq") for p, b in zip(pattern.replace(" ", ""), bits, strict=True))
    ]
