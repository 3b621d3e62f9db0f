"""The network as the board computes it, in numpy: what the firmware has to equal bit for bit.

    input      counts * 32
    sums       bias + weights @ input, in 16 bits that wrap
    hidden     max(sum, 0) * multiplier / 256, rounded down
    class      the largest of sum * multiplier / 256, rounded towards zero; the first of equals

`model.npz` holds query_buckets, context_buckets, context_length and, for layer i from 0:
weight<i> int8 (outputs, inputs), bias<i> int16 (outputs,), multiplier<i> uint8 (outputs,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from features import Encoding, encode

from grader.data.text.chat import CHARSET, END, MAX_REPLY, Position

INPUT_SCALE = 32


@dataclass(frozen=True)
class IntegerLayer:
    weight: np.ndarray
    """int8 (outputs, inputs)."""
    bias: np.ndarray
    """int16 (outputs,), added to the sum."""
    multiplier: np.ndarray
    """uint8 (outputs,): the row's scale, in 256ths."""


@dataclass(frozen=True)
class IntegerModel:
    encoding: Encoding
    layers: tuple[IntegerLayer, ...]

    @property
    def sizes(self) -> list[int]:
        return [self.encoding.inputs, *(len(layer.bias) for layer in self.layers)]

    def classes(self, positions: Sequence[Position]) -> np.ndarray:
        """The predicted class of each position, (positions,)."""
        return self.classes_of(encode(positions, self.encoding))

    def classes_of(self, counts: np.ndarray) -> np.ndarray:
        """The same from counts (positions, inputs)."""
        values = counts.astype(np.int64) * INPUT_SCALE
        for layer in self.layers[:-1]:
            values = np.maximum(_sums(layer, values), 0) * layer.multiplier.astype(np.int64) >> 8
        sums = _sums(self.layers[-1], values)
        logits = np.sign(sums) * (np.abs(sums) * self.layers[-1].multiplier.astype(np.int64) >> 8)
        return logits.argmax(axis=1)

    def reply(self, query: str) -> str:
        """The whole reply, character by character."""
        reply = ""
        while len(reply) < MAX_REPLY:
            char = int(self.classes([Position(query, reply, END)])[0])
            if char == END:
                break
            reply += CHARSET[char]
        return reply

    def save(self, path: Path) -> None:
        arrays = {
            "query_buckets": np.int64(self.encoding.query_buckets),
            "context_buckets": np.int64(self.encoding.context_buckets),
            "context_length": np.int64(self.encoding.context_length),
        }
        for index, layer in enumerate(self.layers):
            arrays[f"weight{index}"] = layer.weight.astype(np.int8)
            arrays[f"bias{index}"] = layer.bias.astype(np.int16)
            arrays[f"multiplier{index}"] = layer.multiplier.astype(np.uint8)
        np.savez_compressed(path, **arrays)


def load(path: Path) -> IntegerModel:
    with np.load(path, allow_pickle=False) as file:
        buckets = (int(file[name]) for name in ("query_buckets", "context_buckets"))
        count = sum(name.startswith("weight") for name in file)
        return IntegerModel(
            Encoding(*buckets, int(file["context_length"])),
            tuple(
                IntegerLayer(file[f"weight{i}"], file[f"bias{i}"], file[f"multiplier{i}"])
                for i in range(count)
            ),
        )


def _sums(layer: IntegerLayer, values: np.ndarray) -> np.ndarray:
    """16 bits that wrap; float64 adds these whole numbers exactly, and fast."""
    exact = values.astype(np.float64) @ layer.weight.T.astype(np.float64)
    return (exact.astype(np.int64) + layer.bias + 0x8000 & 0xFFFF) - 0x8000
