"""A small integer network that predicts the next character: run in numpy, kept in `model.npz`.

    input      counts * 32 of hashed character groups of query and context
    sums       bias + weights @ input, in 16 bits that wrap
    hidden     max(sum, 0) * multiplier / 256, rounded down
    class      the largest of sum * multiplier / 256, rounded towards zero; the first of equals

`model.npz` holds query_buckets, context_buckets, context_length and, for layer i from 0:
weight<i> int8 (outputs, inputs), bias<i> int16 (outputs,), multiplier<i> uint8 (outputs,). A
firmware has to give the same classes for every question, bit for bit. Students' projects import
this module.

With all multipliers 64 this is the arithmetic of the published tinychat network
(https://github.com/HarryR/z80ai): a shift by 2 behind each layer.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.data.text.chat import CHARSET, CLASSES, END, MAX_REPLY, Position
from grader.text.errors import Rejected

INPUT_SCALE = 32
GROUP = 3
MAX_BUCKETS = 1_024
MAX_LAYERS = 8
MAX_UNPACKED = 4 * 2**20
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),
    *(SyntaxError, tokenize.TokenError),  # numpy reads the heads of arrays as Python literals
)
_KINDS = {"weight": np.int8, "bias": np.int16, "multiplier": np.uint8}
_NUMBERS = ("query_buckets", "context_buckets", "context_length")


@dataclass(frozen=True)
class Encoding:
    """The sizes of the hashed counts that describe query and context."""

    query_buckets: int
    context_buckets: int
    context_length: int

    @property
    def inputs(self) -> int:
        return self.query_buckets + self.context_buckets


@dataclass(frozen=True)
class Layer:
    """A fully connected layer."""

    weight: NDArray[np.int8]
    """(outputs, inputs)."""
    bias: NDArray[np.int16]
    """(outputs,)."""
    multiplier: NDArray[np.uint8]
    """(outputs,), in 256ths."""


@dataclass(frozen=True)
class IntegerNetwork:
    """The network of a `model.npz`."""

    encoding: Encoding
    layers: tuple[Layer, ...]

    @property
    def sizes(self) -> list[int]:
        """Inputs, hidden units of each layer, classes."""
        return [self.encoding.inputs, *(len(layer.bias) for layer in self.layers)]

    def classes(self, positions: Sequence[Position]) -> NDArray[np.int64]:
        """The predicted class of each position, (positions,)."""
        return self.classes_of(encode(positions, self.encoding))

    def classes_of(self, counts: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The predicted class, (positions,), for counts (positions, inputs) from `encode`."""
        values = counts.astype(np.int64) * INPUT_SCALE
        for layer in self.layers[:-1]:
            values = np.maximum(_sums(layer, values), 0) * layer.multiplier.astype(np.int64) >> 8
        last = self.layers[-1]
        sums = _sums(last, values)
        logits = np.sign(sums) * (np.abs(sums) * last.multiplier.astype(np.int64) >> 8)
        return logits.argmax(axis=1)

    def replies(self, queries: Sequence[str]) -> list[str]:
        """The whole reply to each query, predicted character by character."""
        found = [""] * len(queries)
        unfinished = list(range(len(queries)))
        while unfinished:
            asked = [Position(queries[index], found[index], END) for index in unfinished]
            answers = dict(zip(unfinished, map(int, self.classes(asked)), strict=True))
            for index, answer in answers.items():
                found[index] += character(answer)
            unfinished = [i for i, a in answers.items() if a != END and len(found[i]) < MAX_REPLY]
        return found

    def save(self, path: Path) -> None:
        """Write `model.npz`; values are cast to the types of the format."""
        arrays: dict[str, Any] = {n: np.int64(getattr(self.encoding, n)) for n in _NUMBERS}
        for index, layer in enumerate(self.layers):
            for kind, dtype in _KINDS.items():
                arrays[f"{kind}{index}"] = getattr(layer, kind).astype(dtype)
        np.savez_compressed(path, **arrays)


def character(answer: int) -> str:
    """The character that a board sends for a class; empty for the end of the reply."""
    return "" if answer == END else CHARSET[answer]


def encode(positions: Sequence[Position], encoding: Encoding) -> NDArray[np.uint8]:
    """Counts of the hashed character groups, (positions, inputs)."""
    counts = np.zeros((len(positions), encoding.inputs), np.uint8)
    for row, position in zip(counts, positions, strict=True):
        row[: encoding.query_buckets] = _query_counts(position.query, encoding)
        row[encoding.query_buckets :] = _context_counts(position.context, encoding)
    return counts


def hash16(value: int, text: str) -> int:
    """The hash of `text`: from h = `value`, h = 31 h + code for each character, in 16 bits."""
    for char in text:
        value = (31 * value + ord(char)) & 0xFFFF
    return value


def read(raw: bytes) -> IntegerNetwork:
    """The network in the bytes of a `model.npz`. Raises Rejected with the reason."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED:
            raise ValueError(f"it unpacks to {unpacked:,} bytes, at most {MAX_UNPACKED:,} are read")
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
        return _network(arrays)
    except _DAMAGES as error:
        raise _unreadable("it is no .npz file, or is damaged") from error
    except (ValueError, KeyError) as error:
        raise _unreadable(str(error)[:200]) from error


def c_header(network: IntegerNetwork, origin: str, layer: str, tables: str, rows: str) -> str:
    """The text of `weights.h` for the runtime in C, whose `Layer` has the fields `layer`.

    `origin` names the script that writes it; `tables` are arrays (see `c_table`) and `rows` one
    initializer of a `Layer` for each layer of the network.
    """
    encoding, sizes = network.encoding, network.sizes
    return f"""/* Written by {origin} from model.npz; layers {" -> ".join(map(str, sizes))}. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <avr/pgmspace.h>
#include <stdint.h>

#define CHARSET "{CHARSET}"

enum {{
    QUERY_BUCKETS = {encoding.query_buckets},
    CONTEXT_BUCKETS = {encoding.context_buckets},
    CONTEXT_LENGTH = {encoding.context_length},
    LAYERS = {len(network.layers)},
    LARGEST = {max(sizes)}
}};

typedef struct {{
{layer}
}} Layer;

#ifdef NETWORK_C
{tables}
static const Layer layers[LAYERS] = {{
{rows}
}};
#endif

#endif
"""


def c_table(ctype: str, name: str, values: Iterable[int]) -> str:
    """A C array in flash, with a line feed at its end."""
    numbers = [str(int(value)) for value in values]
    lines = ["    " + ", ".join(numbers[i : i + 16]) + "," for i in range(0, len(numbers), 16)]
    return f"static const {ctype} {name}[] PROGMEM = {{\n" + "\n".join(lines) + "\n};\n"


def read_published(path: Path) -> IntegerNetwork:
    """The published tinychat network, whose file names its arrays differently."""
    with np.load(path, allow_pickle=False) as file:
        pairs = [(file[f"fc{number}_weight"], file[f"fc{number}_bias"]) for number in range(1, 5)]
    layers = tuple(Layer(*pair, np.full(len(pair[1]), 64, np.uint8)) for pair in pairs)
    return IntegerNetwork(Encoding(128, 128, 8), layers)


def _network(arrays: dict[str, NDArray[np.generic]]) -> IntegerNetwork:
    encoding = Encoding(*(_number(arrays, name) for name in _NUMBERS))
    layers: list[Layer] = []
    inputs = encoding.inputs
    while f"weight{len(layers)}" in arrays:
        layers.append(_layer(arrays, len(layers), inputs))
        inputs = len(layers[-1].bias)
    expected = {*_NUMBERS, *(f"{kind}{i}" for i in range(len(layers)) for kind in _KINDS)}
    if surplus := sorted(set(arrays) - expected):
        raise ValueError(f"{surplus[0][:40]!r} is no array of the format")
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise ValueError(f"it has {len(layers)} layers, expected 1 to {MAX_LAYERS}")
    if inputs != CLASSES:
        raise ValueError(f"the last layer has {inputs} outputs, expected {CLASSES}")
    return IntegerNetwork(encoding, tuple(layers))


def _layer(arrays: dict[str, NDArray[np.generic]], index: int, inputs: int) -> Layer:
    found = []
    for kind, dtype in _KINDS.items():
        name = f"{kind}{index}"
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        if arrays[name].dtype != dtype:
            raise ValueError(f"{name} is {arrays[name].dtype}, expected {np.dtype(dtype)}")
        found.append(arrays[name])
    weight, bias, multiplier = found
    outputs = weight.shape[0] if weight.ndim == 2 else 0
    if weight.shape != (outputs, inputs) or not 1 <= outputs <= MAX_BUCKETS:
        raise ValueError(f"weight{index} has shape {weight.shape}, expected (outputs, {inputs})")
    for kind, array in (("bias", bias), ("multiplier", multiplier)):
        if array.shape != (outputs,):
            raise ValueError(f"{kind}{index} has shape {array.shape}, expected ({outputs},)")
    return Layer(weight, bias, multiplier)  # type: ignore[arg-type]


def _number(arrays: dict[str, NDArray[np.generic]], name: str) -> int:
    if name not in arrays:
        raise ValueError(f"{name} is missing")
    array = arrays[name]
    if array.shape != () or array.dtype.kind not in "iu":
        raise ValueError(f"{name} is not one whole number")
    number = int(array[()])
    largest = MAX_REPLY if name == "context_length" else MAX_BUCKETS
    if not 1 <= number <= largest:
        raise ValueError(f"{name} is {number}, expected 1 to {largest}")
    return number


def _unreadable(reason: str) -> Rejected:
    return Rejected(
        "model.npz cannot be used: {reason}; write it with IntegerNetwork.save, as train.py does.",
        reason=reason,
    )


def _sums(layer: Layer, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """16 bits that wrap. float64 adds these whole numbers exactly: they stay below 2**53."""
    exact = values.astype(np.float64) @ layer.weight.T.astype(np.float64)
    return ((exact.astype(np.int64) + layer.bias + 0x8000) & 0xFFFF) - 0x8000


@lru_cache(maxsize=65_536)
def _query_counts(query: str, encoding: Encoding) -> NDArray[np.uint8]:
    text = f" {query.lower()} "
    groups = [text[start : start + GROUP] for start in range(len(text) - GROUP + 1)]
    buckets = [hash16(0, group) % encoding.query_buckets for group in groups]
    return np.bincount(buckets, minlength=encoding.query_buckets).astype(np.uint8)


@lru_cache(maxsize=65_536)
def _context_counts(context: str, encoding: Encoding) -> NDArray[np.uint8]:
    length = encoding.context_length
    text = context.lower()[-length:].rjust(length)
    buckets = [
        hash16(7 * start, text[start : start + size]) % encoding.context_buckets
        for start in range(length)
        for size in range(1, GROUP + 1)
        if start + size <= length
    ]
    return np.bincount(buckets, minlength=encoding.context_buckets).astype(np.uint8)
