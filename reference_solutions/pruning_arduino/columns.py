"""From the integer network to the header of the sparse runtime: column by column, nibble by nibble.

A column is a byte that says how many follow, and these, two nibbles each, the low one first. A
nibble is 2 * step + minus: `step` rows (1 to 7) behind the last weight, at first behind row -1, is
a weight of +1, or of -1. Two nibbles are special: 0, no weight in the next 7 rows; 1, the last
weight is -2, not -1. Biases are stored as int8 times one step a layer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grader.board.integer_network import IntegerNetwork, Layer, c_header, c_table

FAR, STEP = 0, 7
ONE_LESS = 1
LAYER = """\
    const uint8_t *columns, *multipliers;
    const int8_t *biases;
    uint16_t inputs, outputs;
    int8_t bias_step;
    uint8_t multiplier_step; /* 0: the first multiplier is everyone's */"""
"""What network.c knows of a layer."""
BIAS_STEPS = tuple(1 << power for power in range(7))


def write_header(model: IntegerNetwork, path: Path) -> None:
    """Write the C header. Raises ValueError for weights outside -2 to 1, or biases that are not
    rounded to a step (see `round_biases`)."""
    tables, rows = [], []
    for index, layer in enumerate(model.layers):
        step, uniform = bias_step(layer.bias), len(set(layer.multiplier.tolist())) == 1
        multipliers = layer.multiplier[:1] if uniform else layer.multiplier
        if np.any(layer.bias % step) or np.abs(layer.bias // step).max() > 127:
            raise ValueError(f"the biases of layer {index} are not multiples of {step} in 8 bits")
        tables += [
            c_table("uint8_t", f"columns{index}", b"".join(map(column, layer.weight.T))),
            c_table("int8_t", f"biases{index}", layer.bias // step),
            c_table("uint8_t", f"multipliers{index}", multipliers),
        ]
        outputs, inputs = layer.weight.shape
        rows.append(
            f"    {{columns{index}, multipliers{index}, biases{index}, {inputs}, {outputs}, "
            f"{step}, {int(not uniform)}}},"
        )
    header = c_header(model, "columns.py", LAYER, "".join(tables), "\n".join(rows))
    path.write_text(header, encoding="utf-8", newline="\n")


def column(weights: np.ndarray) -> bytes:
    """One column, (outputs,) int8 from -2 to 1, with its length."""
    nibbles, last = [], -1
    for row in np.flatnonzero(weights):
        level, away = int(weights[row]), int(row) - last
        if not -2 <= level <= 1:
            raise ValueError(f"expected weights from -2 to 1, found {level}")
        while away > STEP:
            nibbles.append(FAR)
            away -= STEP
        nibbles.append(2 * away + (level < 0))
        if level == -2:
            nibbles.append(ONE_LESS)
        last = int(row)
    nibbles += [FAR] * (len(nibbles) % 2)
    packed = bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes([len(packed)]) + packed


def bias_step(bias: np.ndarray) -> int:
    """The smallest power of two with which the biases fit 8 bits."""
    largest = int(np.abs(bias.astype(int)).max())
    return next((step for step in BIAS_STEPS if largest <= 127 * step), BIAS_STEPS[-1])


def round_biases(model: IntegerNetwork) -> IntegerNetwork:
    """The same model with biases that are multiples of their layer's step."""
    layers = []
    for layer in model.layers:
        largest = 127 * BIAS_STEPS[-1]
        bias = np.clip(layer.bias.astype(int), -largest, largest)
        step = bias_step(bias)
        rounded = np.clip(np.rint(bias / step), -127, 127).astype(int) * step
        layers.append(Layer(layer.weight, rounded.astype(np.int16), layer.multiplier))
    return IntegerNetwork(model.encoding, tuple(layers))
