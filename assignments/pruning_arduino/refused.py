"""The submitted model and firmware, refused when missing or too large for the board."""

from __future__ import annotations

from grader import board
from grader.board import integer_network
from grader.board.integer_network import IntegerNetwork
from grader.intake import Submission
from grader.text import Text, ru_number
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
                en=f"The firmware takes {built.flash_bytes:,} bytes of flash, an UNO has "
                f"{board.MAX_FLASH_BYTES:,} beside its bootloader; prune more, use fewer bits, or "
                "store zeros for nothing.",
                ru=f"Прошивка занимает {ru_number(built.flash_bytes)} байт флеш-памяти, а в UNO "
                f"помимо загрузчика их {ru_number(board.MAX_FLASH_BYTES)}; прореживайте сильнее, "
                "берите меньше бит или не храните нули.",
            )
        )
    if built.static_bytes > board.SRAM_BYTES:
        raise Rejected(
            Text(
                en=f"Static variables take {built.static_bytes:,} bytes of SRAM, an UNO has "
                f"{board.SRAM_BYTES:,} with the stack; keep tables in flash with PROGMEM.",
                ru=f"Статические переменные занимают {ru_number(built.static_bytes)} байт SRAM, а "
                f"в UNO вместе со стеком их {ru_number(board.SRAM_BYTES)}; размещайте таблицы во "
                "флеш-памяти с помощью PROGMEM.",
            )
        )
    return built


_NO_MODEL = Text(
    en="Expected model.npz beside the folder firmware: the integer model that the firmware "
    "computes; write it with IntegerNetwork.save, as train.py does.",
    ru="Рядом с папкой firmware ожидался файл model.npz: целочисленная модель, которую вычисляет "
    "прошивка; запишите его методом IntegerNetwork.save, как это делает train.py.",
)
