"""The workload of a network, for any machine: work, bytes moved, bytes held in memory.

A `Workload` comes from an ONNX model (traffic.py) or an integer network (`of_integer_network`);
roofline.py says how long it takes on a platform and whether it fits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from grader.board.integer_network import IntegerNetwork
from grader.measure.hardware.platforms import DType, bits
from grader.text import Text

SUM_BYTES = 2
"""Sums and activations of an integer network have 16 bits."""


@dataclass(frozen=True)
class Amount:
    """Numbers held or moved. Some take the size of the data type that the network is run in, the
    others (indices, masks, weights that are already quantized) stay as they are."""

    numbers: int = 0
    """How many take the size of the data type."""
    stored: int = 0
    """Their bytes as exported."""
    fixed: int = 0
    """Bytes of the others."""

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.numbers + other.numbers, self.stored + other.stored, self.fixed + other.fixed
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            self.numbers - other.numbers, self.stored - other.stored, self.fixed - other.fixed
        )

    def bytes(self, dtype: DType | None = None) -> int:
        """Bytes as exported, or with the numbers in `dtype`."""
        if dtype is None:
            return self.stored + self.fixed
        return -(-self.numbers * bits(dtype) // 8) + self.fixed


NOTHING = Amount()


def total(amounts: Iterable[Amount]) -> Amount:
    return reduce(Amount.__add__, amounts, NOTHING)


@dataclass(frozen=True)
class Work:
    """One operator: its MACs and the bytes that it reads and writes."""

    name: str
    op: str
    macs: int
    """MACs of the whole batch."""
    weights: Amount = NOTHING
    """Weights that belong to it; a weight that several operators use belongs to the first."""
    fetched: Amount = NOTHING
    """Weights it reads once: its own and borrowed ones, of a table only the rows that are used."""
    repeated: Amount = NOTHING
    """The part of `fetched` that each of its `steps` needs again: the recurrent weights."""
    steps: int = 1
    """Time steps of a recurrent cell."""
    activations: Amount = NOTHING
    """Inputs and outputs that depend on the data, each once."""
    params: int = 0
    output_shape: tuple[int, ...] = ()
    dtype: DType = "float32"
    """The type of its products, as exported."""


@dataclass(frozen=True)
class Code:
    """A way of storing the weights, and the bytes it needs."""

    title: Text
    bytes: int


@dataclass(frozen=True)
class Workload:
    """A network at one batch size."""

    dtype: DType
    """The type of most of its MACs, as exported."""
    batch: int
    works: tuple[Work, ...]
    """Operators in the order of execution, without those that neither move nor compute data."""
    weights: Amount
    """All that is stored."""
    live: tuple[Amount, ...]
    """Activations that must exist at once while each node runs, views included in their source."""
    params: int
    codes: tuple[Code, ...] = field(default=())
    """Smaller ways of storing the same weights, where they are known."""

    @property
    def macs(self) -> int:
        return sum(work.macs for work in self.works)

    def peak_activation_bytes(self, dtype: DType | None = None) -> int:
        """The largest sum of activations that exist at once, without the weights."""
        return max((amount.bytes(dtype) for amount in self.live), default=0)


def of_integer_network(network: IntegerNetwork) -> Workload:
    """The network of one character: dense layers, weights of few bits, 16-bit sums."""
    types: dict[int, DType] = {1: "int2", 2: "int2", 4: "int4", 8: "int8"}
    works, live = [], []
    for index, layer in enumerate(network.layers):
        outputs, inputs = layer.weight.shape
        weights = _packed(layer.weight) + Amount(fixed=layer.bias.nbytes + layer.multiplier.nbytes)
        moved = Amount(fixed=SUM_BYTES * (inputs + outputs))
        works.append(
            Work(
                name=f"layer{index}",
                op="Dense",
                macs=layer.weight.size,
                weights=weights,
                fetched=weights,
                activations=moved,
                params=layer.weight.size + layer.bias.size,
                output_shape=(outputs,),
                dtype=types[bits_in_use(layer.weight)],
            )
        )
        live.append(moved)
    return Workload(
        dtype=max((work.dtype for work in works), key=bits),
        batch=1,
        works=tuple(works),
        weights=total(work.weights for work in works),
        live=tuple(live),
        params=sum(work.params for work in works),
        codes=_codes(network),
    )


def bits_in_use(weight: np.ndarray) -> int:
    """Bits of a two's complement number, 1, 2, 4 or 8, that hold every value of `weight`."""
    values = np.unique(weight)
    if len(values) <= 2:
        return 1
    low, high = int(values[0]), int(values[-1])
    return next(b for b in (2, 4, 8) if -(2 ** (b - 1)) <= low and high < 2 ** (b - 1))


def entropy_bits(weight: np.ndarray) -> float:
    """Shannon entropy of the values, times their number: no code of single values takes less."""
    _, counts = np.unique(weight, return_counts=True)
    shares = counts / weight.size
    return float(weight.size * -(shares * np.log2(shares)).sum())


def _packed(weight: np.ndarray) -> Amount:
    return Amount(numbers=weight.size, stored=-(-weight.size * bits_in_use(weight) // 8))


def _codes(network: IntegerNetwork) -> tuple[Code, ...]:
    """Storage of the weights alone, biases and multipliers included in every figure."""
    rest = sum(layer.bias.nbytes + layer.multiplier.nbytes for layer in network.layers)
    plain = sum(layer.weight.size for layer in network.layers)
    packed = sum(_packed(layer.weight).stored for layer in network.layers)
    least = math.ceil(sum(entropy_bits(layer.weight) for layer in network.layers) / 8)
    per_weight = 8 * least / plain
    return (
        Code(Text("a byte a weight, as in the file"), plain + rest),
        Code(
            Text("packed, {packed:.2g} bits a weight", packed=8 * packed / plain),
            packed + rest,
        ),
        Code(
            Text(
                "entropy, {per_weight:.2f} bits a weight: the limit of codes of single weights",
                per_weight=per_weight,
            ),
            least + rest,
        ),
    )
