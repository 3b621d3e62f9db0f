"""Random programs out of the AVR Instruction Set Manual's own encodings.

The patterns are written as the manual prints them, a letter a bit of an operand; they are kept
apart from the simulator's table on purpose.
"""

from __future__ import annotations

import random
from collections.abc import Callable

PATTERNS = {
    "ADC": "0001 11rd dddd rrrr", "ADD": "0000 11rd dddd rrrr", "ADIW": "1001 0110 KKdd KKKK",
    "AND": "0010 00rd dddd rrrr", "ANDI": "0111 KKKK dddd KKKK", "ASR": "1001 010d dddd 0101",
    "BCLR": "1001 0100 1sss 1000", "BLD": "1111 100d dddd 0bbb", "BRBC": "1111 01kk kkkk ksss",
    "BRBS": "1111 00kk kkkk ksss", "BSET": "1001 0100 0sss 1000", "BST": "1111 101d dddd 0bbb",
    "COM": "1001 010d dddd 0000", "CP": "0001 01rd dddd rrrr", "CPC": "0000 01rd dddd rrrr",
    "CPI": "0011 KKKK dddd KKKK", "CPSE": "0001 00rd dddd rrrr", "DEC": "1001 010d dddd 1010",
    "EOR": "0010 01rd dddd rrrr", "FMUL": "0000 0011 0ddd 1rrr", "FMULS": "0000 0011 1ddd 0rrr",
    "FMULSU": "0000 0011 1ddd 1rrr", "INC": "1001 010d dddd 0011", "LDI": "1110 KKKK dddd KKKK",
    "LSR": "1001 010d dddd 0110", "MOV": "0010 11rd dddd rrrr", "MOVW": "0000 0001 dddd rrrr",
    "MUL": "1001 11rd dddd rrrr", "MULS": "0000 0010 dddd rrrr", "MULSU": "0000 0011 0ddd 0rrr",
    "NEG": "1001 010d dddd 0001", "NOP": "0000 0000 0000 0000", "OR": "0010 10rd dddd rrrr",
    "ORI": "0110 KKKK dddd KKKK", "PUSH": "1001 001d dddd 1111", "POP": "1001 000d dddd 1111",
    "RCALL": "1101 kkkk kkkk kkkk", "RJMP": "1100 kkkk kkkk kkkk", "ROR": "1001 010d dddd 0111",
    "SBC": "0000 10rd dddd rrrr", "SBCI": "0100 KKKK dddd KKKK", "SBIW": "1001 0111 KKdd KKKK",
    "SBRC": "1111 110r rrrr 0bbb", "SBRS": "1111 111r rrrr 0bbb", "SUB": "0001 10rd dddd rrrr",
    "SUBI": "0101 KKKK dddd KKKK", "SWAP": "1001 010d dddd 0010", "WDR": "1001 0101 1010 1000",
}  # fmt: skip
"""Those whose operands may be anything."""

IO_PATTERNS = {
    "IN": "1011 0AAd dddd AAAA", "OUT": "1011 1AAr rrrr AAAA", "CBI": "1001 1000 AAAA Abbb",
    "SBI": "1001 1010 AAAA Abbb", "SBIC": "1001 1001 AAAA Abbb", "SBIS": "1001 1011 AAAA Abbb",
}  # fmt: skip
PLAIN_IO = (*range(0x03, 0x0C), 0x1E, 0x2A, 0x2B, 0x34)
"""I/O addresses that the board keeps as memory: ports, GPIOR0-2, MCUSR."""
SREG, SPL = 0x3F, 0x3D

POINTERS = {
    "X": (26, ("LD", "1001 000d dddd 1100"), ("LD+", "1001 000d dddd 1101"),
          ("LD-", "1001 000d dddd 1110"), ("ST", "1001 001r rrrr 1100"),
          ("ST+", "1001 001r rrrr 1101"), ("ST-", "1001 001r rrrr 1110")),
    "Y": (28, ("LD+", "1001 000d dddd 1001"), ("LD-", "1001 000d dddd 1010"),
          ("LDD", "10q0 qq0d dddd 1qqq"), ("ST+", "1001 001r rrrr 1001"),
          ("ST-", "1001 001r rrrr 1010"), ("STD", "10q0 qq1r rrrr 1qqq")),
    "Z": (30, ("LD+", "1001 000d dddd 0001"), ("LD-", "1001 000d dddd 0010"),
          ("LDD", "10q0 qq0d dddd 0qqq"), ("ST+", "1001 001r rrrr 0001"),
          ("ST-", "1001 001r rrrr 0010"), ("STD", "10q0 qq1r rrrr 0qqq"),
          ("LPM", "1001 000d dddd 0100"), ("LPM+", "1001 000d dddd 0101"),
          ("LPM0", "1001 0101 1100 1000")),
}  # fmt: skip
LDS, STS = "1001 000d dddd 0000", "1001 001d dddd 0000"
JMP, CALL = 0x940C, 0x940E
IJMP, ICALL, RET, RETI = 0x9409, 0x9509, 0x9508, 0x9518
FLASH_WORDS = 16_384


def encode(pattern: str, **operands: int) -> int:
    """A word from a pattern of the manual and the values of its letters."""
    left = dict(operands)
    word = 0
    for position, letter in enumerate(reversed(pattern.replace(" ", ""))):
        if letter in "01":
            word |= int(letter) << position
        else:
            word |= (left[letter] & 1) << position
            left[letter] >>= 1
    return word


def any_operands(pattern: str, rng: random.Random) -> dict[str, int]:
    return {letter: rng.getrandbits(12) for letter in pattern if letter.isalpha()}


def load_immediate(register: int, value: int) -> list[int]:
    """LDI into any register: the lower half goes by way of r16."""
    if register >= 16:
        return [encode(PATTERNS["LDI"], d=register - 16, K=value)]
    return [*load_immediate(16, value), encode(PATTERNS["MOV"], d=register, r=16)]


def prologue(rng: random.Random) -> list[int]:
    """All registers and flags at random, the stack in the middle of SRAM."""
    words = [*load_immediate(16, 0x05), encode(IO_PATTERNS["OUT"], A=SPL + 1, r=16)]
    words += [*load_immediate(16, rng.randrange(256)), encode(IO_PATTERNS["OUT"], A=SPL, r=16)]
    words += [*load_immediate(16, rng.randrange(256)), encode(IO_PATTERNS["OUT"], A=SREG, r=16)]
    for register in range(32):
        words += load_immediate(register, rng.randrange(256))
    return [*words, *load_immediate(16, rng.randrange(256))]


def random_program(rng: random.Random) -> list[int]:
    """A flash full of instructions, so that wherever a jump leads it finds one."""
    start = [JMP, FLASH_WORDS // 2]
    words = [*start]
    begin = prologue(rng)
    while len(words) < FLASH_WORDS // 2:
        words += rng.choice(UNITS)(rng, len(words))
    del words[FLASH_WORDS // 2 :]
    words += begin
    while len(words) < FLASH_WORDS:
        words += rng.choice(UNITS)(rng, len(words))
    return words[:FLASH_WORDS]


def _plain(rng: random.Random, at: int) -> list[int]:
    pattern = PATTERNS[rng.choice(list(PATTERNS))]
    return [encode(pattern, **any_operands(pattern, rng))]


def _io(rng: random.Random, at: int) -> list[int]:
    name = rng.choice(list(IO_PATTERNS))
    pattern = IO_PATTERNS[name]
    allowed = [a for a in PLAIN_IO if name in ("IN", "OUT") or a < 32]
    if name == "IN":
        allowed += [SPL, SPL + 1, SREG]
    if name == "OUT":
        allowed.append(SREG)
    return [encode(pattern, **any_operands(pattern, rng) | {"A": rng.choice(allowed)})]


def _memory(rng: random.Random, at: int) -> list[int]:
    """A pointer into SRAM, then an access by it. A register of the pointer is never the
    operand of an access that changes the pointer: the manual leaves that undefined."""
    low, *accesses = POINTERS[rng.choice("XYZ")]
    name, pattern = rng.choice(accesses)
    register = rng.randrange(32)
    if name.endswith(("+", "-")) and register in (low, low + 1):
        register = 0
    operands = {"d": register, "r": register, "q": rng.randrange(64)}
    address = rng.randrange(0x101, 0x8BF)
    if "LD" in name and rng.random() < 0.1:
        # Registers lie in the data space too. Not the pointers themselves: simavr reads XL before
        # it decrements X, the manual has it the other way round.
        address = rng.randrange(1, 26)
    if rng.random() < 0.1 and name != "LDD" and name != "STD":
        address = rng.randrange(0x24, 0x2A)  # and so do ports
    return [
        *load_immediate(low, address & 255),
        *load_immediate(low + 1, address >> 8),
        encode(pattern, **operands),
    ]


def _direct(rng: random.Random, at: int) -> list[int]:
    pattern = rng.choice((LDS, STS))
    return [encode(pattern, d=rng.randrange(32)), rng.randrange(0x100, 0x900)]


def _two_word_skip(rng: random.Random, at: int) -> list[int]:
    """A skip over an instruction of two words."""
    name = rng.choice(("CPSE", "SBRC", "SBRS", "SBIC", "SBIS"))
    pattern = PATTERNS.get(name) or IO_PATTERNS[name]
    operands = any_operands(pattern, rng) | {"A": rng.choice(PLAIN_IO[:9])}
    if name == "CPSE" and rng.random() < 0.5:
        operands["r"] = operands["d"]
    two = rng.choice(
        (
            [encode(LDS, d=rng.randrange(32)), 0x234],
            [encode(STS, d=3), 0x345],
            [JMP, at],
            [CALL, at],
        )
    )
    return [encode(pattern, **operands), *two]


def _jump(rng: random.Random, at: int) -> list[int]:
    target = rng.randrange(FLASH_WORDS // 4, FLASH_WORDS // 2)
    kind = rng.choice((JMP, CALL, IJMP, ICALL))
    if kind in (JMP, CALL):
        return [kind, target]
    return [*load_immediate(30, target & 255), *load_immediate(31, target >> 8), kind]


def _return(rng: random.Random, at: int) -> list[int]:
    target = rng.randrange(FLASH_WORDS // 4, FLASH_WORDS // 2)
    push = encode(PATTERNS["PUSH"], d=17)
    low, high = load_immediate(17, target & 255), load_immediate(17, target >> 8)
    return [*low, push, *high, push, rng.choice((RET, RETI))]


UNITS: tuple[Callable[[random.Random, int], list[int]], ...] = (
    *(_plain,) * 8,
    _io,
    *(_memory,) * 4,
    _direct,
    _two_word_skip,
    _jump,
    _return,
)
