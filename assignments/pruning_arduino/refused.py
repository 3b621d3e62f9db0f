"""The submitted model and firmware, refused when missing or too large for the board."""

from __future__ import annotations

from grader import board
from grader.board import integer_network
from grader.board.integer_network import IntegerNetwork
from grader.intake import Submission
from grader.text import Text
from grader.text.errors import Rejected

MODEL = "model.npz"


def network(submission: Submission) -> IntegerNetwork:
    """Read the integer model of the submission. Raises Rejected."""
    if not submission.has(MODEL):
        raise Rejected(_NO_MODEL)
    return integer_network.read(submission.read(MODEL))


def image(submission: Submission) -> board.Image:
    """Build the firmware. Raises Rejected when it does not fit the board."""
    built = board.build(submission.root / "firmware")
    if built.flash_bytes > board.MAX_FLASH_BYTES:
        raise Rejected(
            Text(
                "The firmware takes {flash_bytes:,} bytes of flash, an UNO has "
                "{max_flash_bytes:,} beside its bootloader; prune more, use fewer bits, or store "
                "zeros for nothing.",
                flash_bytes=built.flash_bytes,
                max_flash_bytes=board.MAX_FLASH_BYTES,
            )
        )
    if built.static_bytes > board.SRAM_BYTES:
        raise Rejected(
            Text(
                "Static variables take {static_bytes:,} bytes of SRAM, an UNO has {sram_bytes:,} "
                "with the stack; keep tables in flash with PROGMEM.",
                static_bytes=built.static_bytes,
                sram_bytes=board.SRAM_BYTES,
            )
        )
    return built


_NO_MODEL = Text(
    "Expected model.npz beside the folder firmware: the integer model that the firmware "
    "computes; write it with IntegerNetwork.save, as train.py does."
)
