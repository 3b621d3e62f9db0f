"""From the integer model to `firmware/weights.h`, which network.c reads.

    python export.py          writes the header anew from model.npz

Rows lie one behind the other; a byte holds 8, 4 or 2 weights of 1, 2 or 4 bits, the first in the
lowest bits. The number stored is the level minus the least level (for 1 bit: 1 for +1).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from integer_model import IntegerModel, load

from grader.data.text.chat import CHARSET

HERE = Path(__file__).resolve().parent
LEAST = {1: -1, 2: -2, 4: -8}
"""Of the levels, by bits."""


def write_header(model: IntegerModel, path: Path) -> None:
    """Write the C header. Raises ValueError when a weight fits no number of bits."""
    encoding, sizes = model.encoding, model.sizes
    tables, rows = [], []
    for index, layer in enumerate(model.layers):
        bits = bits_of(layer.weight)
        tables += [
            table("uint8_t", f"weights{index}", pack(layer.weight, bits)),
            table("int16_t", f"biases{index}", layer.bias),
            table("uint8_t", f"multipliers{index}", layer.multiplier),
        ]
        outputs, inputs = layer.weight.shape
        names = f"weights{index}, biases{index}, multipliers{index}"
        rows.append(f"    {{{names}, {inputs}, {outputs}, {bits}}},")
    path.write_text(
        f"""/* Written by export.py from model.npz; layers {" -> ".join(map(str, sizes))}. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <avr/pgmspace.h>
#include <stdint.h>

#define CHARSET "{CHARSET}"

enum {{
    QUERY_BUCKETS = {encoding.query_buckets},
    CONTEXT_BUCKETS = {encoding.context_buckets},
    CONTEXT_LENGTH = {encoding.context_length},
    LAYERS = {len(model.layers)},
    LARGEST = {max(sizes)}
}};

typedef struct {{
    const uint8_t *weights;
    const int16_t *biases;
    const uint8_t *multipliers;
    uint16_t inputs, outputs;
    uint8_t bits;
}} Layer;

#ifdef NETWORK_C
{"".join(tables)}
static const Layer layers[LAYERS] = {{
{chr(10).join(rows)}
}};
#endif

#endif
""",
        encoding="utf-8",
        newline="\n",
    )


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


def table(ctype: str, name: str, values: Iterable[int]) -> str:
    """A C array in flash."""
    numbers = [str(int(value)) for value in values]
    lines = ["    " + ", ".join(numbers[i : i + 16]) + "," for i in range(0, len(numbers), 16)]
    return f"static const {ctype} {name}[] PROGMEM = {{\n" + "\n".join(lines) + "\n};\n"


if __name__ == "__main__":
    write_header(load(HERE / "model.npz"), HERE / "firmware" / "weights.h")
