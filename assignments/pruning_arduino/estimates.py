"""Estimates by formula, shown beside the measurements on the board. Never scored."""

from __future__ import annotations

import numpy as np

from grader.board import firmware
from grader.board.integer_network import IntegerNetwork
from grader.lesson.grades import Layer, Measurement
from grader.text import Text

REPORTED = (256, 256, 192, 128, 39)
"""Number of layers of the network for which the formula was published."""


def estimated(network: IntegerNetwork) -> dict[str, Measurement]:
    """Estimates of the course's formula for the same layers, to compare with the board."""
    guess = firmware.estimate(network.sizes)
    report = firmware.estimate(REPORTED)
    how = Text(
        "formula for comparison, not scored: 2 bits a weight and 18 a bias; 62 cycles a weight "
        "and 10 an output; for 256-256-192-128-39: {flash_bytes:,} B, {cycles:,} cycles, "
        "{milliseconds:.3f} ms",
        flash_bytes=report.flash_bytes,
        cycles=report.cycles,
        milliseconds=report.milliseconds,
    )
    return {
        "estimated_flash_bytes": Measurement(guess.flash_bytes, "B", how),
        "estimated_cycles": Measurement(guess.cycles, "cycles", how),
        "estimated_ms": Measurement(guess.milliseconds, "ms", how),
    }


def layers(network: IntegerNetwork) -> list[Layer]:
    """Weights as they are in the model; the bytes are those of all weights at 2 bits, and `params`
    those that are not zero, with the biases."""
    found = []
    for index, layer in enumerate(network.layers):
        kept = int(np.count_nonzero(layer.weight))
        outputs, inputs = layer.weight.shape
        found.append(
            Layer(
                name=f"layer {index}: {inputs} -> {outputs}",
                op=f"{kept / layer.weight.size:.0%} not zero",
                macs=layer.weight.size,
                bytes=-(-layer.weight.size // 4),
                params=kept + outputs,
                output_shape=(outputs,),
            )
        )
    return found
