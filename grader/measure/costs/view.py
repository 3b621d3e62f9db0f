"""What a handler of the table of costs gets: one node with its attributes, shapes and credits."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple, NoReturn

import numpy as np
from onnx import AttributeProto, TensorProto

from grader.measure.costs.refusals import refuse

_WIDE = (TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64)


class Cost(NamedTuple):
    """MACs of one node: in convolutions, products of matrices and the like, and elementwise."""

    linear: int = 0
    elementwise: int = 0
    requantizing: int = 0
    """Multiplications by which activations are quantized and scaled back; not in `macs`."""

    @property
    def macs(self) -> int:
        return self.linear + self.elementwise


@dataclass(slots=True)
class Credit:
    """Additions that are already counted as the second half of a MAC.

    Views of a tensor (Reshape, Split, Relu...) share one credit, so that each multiplication pays
    for one addition only.
    """

    left: int

    def take(self, additions: int) -> int:
        """How many of `additions` this credit covers; it is used up by as much."""
        taken = min(self.left, additions)
        self.left -= taken
        return taken


@dataclass(slots=True)
class Quantized:
    """Activations that one node quantized, followed to where they are used."""

    scale: object
    """What two nodes have in common when one reverses the other: scale, zero point, axis."""
    other_work: bool = False
    """True when they are used otherwise than in integer products or to be scaled back."""


@dataclass(frozen=True, slots=True)
class Trace:
    role: Literal["codes", "scale", "zero", "product"]
    """The quantized numbers, their scale or zero point, or an integer product of them."""
    of: tuple[Quantized, ...]


@dataclass(slots=True)
class Value:
    """One tensor of the graph at a given batch size."""

    dtype: int
    shape: tuple[int, ...]
    constant: bool
    """True when it depends on constants and shapes alone, never on the data."""
    data: np.ndarray | None = None
    """The values of a small constant, where known."""
    credit: Credit | None = None
    computed: bool = True
    """False for an input of the graph and what merely moves it."""
    table: bool = False
    """True when stored numbers are in it that were moved or chosen, not computed with."""
    trace: Trace | None = None
    """Where these numbers stand between quantizing and scaling back (requantizing.py)."""
    stored: TensorProto | None = None
    """A constant of the file, to compare scales by."""

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(slots=True)
class View:
    """One node at a known batch size. Missing optional inputs and outputs are None."""

    op: str
    name: str
    opset: int
    attributes: dict[str, AttributeProto]
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value | None, ...]

    def input(self, index: int) -> Value:
        """The input at `index`, which the operator's definition requires."""
        value = self.optional(index)
        if value is None:
            self.misfit(f"input {index} is missing")
        return value

    def optional(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def out(self) -> Value:
        """The first output that is used (optional outputs may be left out)."""
        return next(value for value in self.outputs if value is not None)

    @property
    def given(self) -> list[Value]:
        return [value for value in self.inputs if value is not None]

    @property
    def width(self) -> int:
        """4 for 64-bit arithmetic, which is four 32-bit multiplications, otherwise 1."""
        return 4 if self.out.dtype in _WIDE else 1

    def integer(self, name: str, default: int) -> int:
        return self.attributes[name].i if name in self.attributes else default

    def integers(self, name: str) -> tuple[int, ...]:
        return tuple(self.attributes[name].ints) if name in self.attributes else ()

    def number(self, name: str, default: float) -> float:
        return self.attributes[name].f if name in self.attributes else default

    def text(self, name: str, default: str) -> str:
        return self.attributes[name].s.decode("utf-8") if name in self.attributes else default

    def known(self, index: int) -> np.ndarray:
        """The value of a constant input, needed to state the cost."""
        value = self.input(index)
        if value.data is None:
            refuse("unknown_shape", name=self.name, op=self.op)
        return value.data

    def additions(self, count: int) -> int:
        """MACs for `count` additions over the data inputs: those that no credit covers."""
        for value in self.given:
            if value.credit is not None and not value.constant:
                count -= value.credit.take(count)
        return count * self.width

    def misfit(self, why: str) -> NoReturn:
        refuse("shapes", op=self.op, name=self.name, why=why)
