"""The baseline's program: the plain runtime, with the tables of an unpruned network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grader import board
from grader.board.firmware import line_of
from grader.board.integer_network import IntegerNetwork, c_header
from grader.data.text.chat import Position
from grader.lesson.grades import Measurement
from grader.text import Text

from .measuring import MILLISECONDS, SRAM

LAYER = """\
    const uint8_t *weights;
    const int16_t *biases;
    const uint8_t *multipliers;
    uint16_t inputs, outputs;
    uint8_t bits;"""
"""What the plain runtime knows of a layer."""


def plain_image(network: IntegerNetwork, runtime: Path) -> tuple[board.Image, int]:
    """The plain runtime with the network's shape, and the bytes of tables that were left out.

    All layers read the largest table, so its outputs are meaningless; its time is that of the whole
    network, because the plain runtime takes the same time for every weight.
    """
    packed = [-(-layer.weight.shape[1] // 4) * len(layer.bias) for layer in network.layers]
    sources = {path.name: path.read_bytes() for path in runtime.iterdir()}
    sources["weights.h"] = _shape_header(network, max(packed)).encode()
    return board.build(sources), sum(packed) - max(packed)


def costs(
    image: board.Image, missing: int, positions: Sequence[Position]
) -> dict[str, Measurement]:
    """Flash, SRAM and cycles of the `image`, asked at `positions`; `missing` bytes of tables are
    not in it."""
    flash = image.flash_bytes + missing
    with board.Board(image) as uno:
        cycles = [uno.ask(line_of(position)).cycles for position in positions]
        sram = uno.sram_bytes
    mean = float(np.mean(cycles))
    return {
        "flash_bytes": Measurement(
            flash,
            "B",
            Text("the plain runtime with all tables of the unpruned network; it does not fit"),
        ),
        "sram_bytes": Measurement(sram, "B", SRAM),
        "cycles_per_char": Measurement(
            mean,
            "cycles",
            Text(
                "the plain runtime, timed with the tables of all layers in one place, since they "
                "do not fit side by side; it takes as long for any weights"
            ),
        ),
        "ms_per_char": Measurement(board.milliseconds(mean), "ms", MILLISECONDS),
    }


def _shape_header(network: IntegerNetwork, table_bytes: int) -> str:
    tables = [f"static const uint8_t weights[{table_bytes}] PROGMEM = {{1}};"]
    rows = []
    for index, layer in enumerate(network.layers):
        outputs, inputs = layer.weight.shape
        tables.append(f"static const int16_t biases{index}[{outputs}] PROGMEM = {{1}};")
        tables.append(f"static const uint8_t multipliers{index}[{outputs}] PROGMEM = {{64}};")
        rows.append(f"{{weights, biases{index}, multipliers{index}, {inputs}, {outputs}, 2}},")
    return c_header(network, "plain.py", LAYER, "\n".join(tables), "\n".join(rows))
