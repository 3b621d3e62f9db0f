"""What the compiler and the simulator are compared with: Debian's avr-gcc and simavr.

Tests that need them are skipped where they are missing (apt install gcc-avr avr-libc libsimavr-dev
simavr gcc).
"""

from __future__ import annotations

import pytest

from tests.board.oracles import avr_gcc, simavr

NEEDS_AVR_GCC = pytest.mark.skipif(
    not avr_gcc.available(), reason="needs avr-gcc (apt install gcc-avr avr-libc)"
)
NEEDS_SIMAVR = pytest.mark.skipif(
    not simavr.available(), reason="needs simavr (apt install libsimavr-dev gcc)"
)
