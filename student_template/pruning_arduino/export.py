"""From the integer network to `firmware/weights.h`, which network.c reads.

    python export.py          writes the header anew from model.npz

Rows lie one behind the other; a byte holds 8, 4 or 2 weights of 1, 2 or 4 bits, the first in the
lowest bits. The number stored is the level minus the least level (for 1 bit: 1 for +1).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grader.board.integer_network import IntegerNetwork, c_header, c_table, read

HERE = Path(__file__).resolve().parent
LEAST = {1: -1, 2: -2, 4: -8}
"""Of the levels, by bits."""
LAYER = """\
    const uint8_t *weights;
    const int16_t *biases;
    const uint8_t *multipliers;
    uint16_t inputs, outputs;
    uint8_t bits;"""
"""What network.c knows of a layer."""


def write_header(network: IntegerNetwork, path: Path) -> None:
    """Write the C header. Raises ValueError when a weight fits no number of bits."""
    tables, rows = [], []
    for index, layer in enumerate(network.layers):
        bits = bits_of(layer.weight)
        tables += [
            c_table("uint8_t", f"weights{index}", pack(layer.weight, bits)),
            c_table("int16_t", f"biases{index}", layer.bias),
            c_table("uint8_t", f"multipliers{index}", layer.multiplier),
        ]
        outputs, inputs = layer.weight.shape
        names = f"weights{index}, biases{index}, multipliers{index}"
        rows.append(f"    {{{names}, {inputs}, {outputs}, {bits}}},")
    header = c_header(network, "export.py", LAYER, "".join(tables), "\n".join(rows))
    path.write_text(header, encoding="utf-8", newline="\n")


def bits_of(weight: np.ndarray) -> int:
    """How many bits the weights of a layer need."""
    low, high = int(weight.min()), int(weight.max())
    if set(np.unique(weight)) <= {-1, 1}:
        return 1
    for bits in (2, 4):
        if LEAST[bits] <= low and high < LEAST[bits] + 2**bits:
            return bits
    raise ValueError(f"weights from {low} to {high} fit neither 1, 2 nor 4 bits; train with fewer")


def pack(weight: np.ndarray, bits: int) -> np.ndarray:
    """Bytes of a matrix, rows one behind the other; each row begins with a byte of its own."""
    codes = (weight > 0).astype(np.uint8) if bits == 1 else (weight - LEAST[bits]).astype(np.uint8)
    per_byte = 8 // bits
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % per_byte)))
    groups = padded.reshape(len(codes), -1, per_byte).astype(np.uint16)
    return (groups << bits * np.arange(per_byte)).sum(axis=2).astype(np.uint8).ravel()


if __name__ == "__main__":
    write_header(read((HERE / "model.npz").read_bytes()), HERE / "firmware" / "weights.h")
