"""What a cost rule sees of one node: attributes, shapes, and which additions are already paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple, NoReturn

import numpy as np
from onnx import AttributeProto, TensorProto

from grader.measure.costs.refusals import refuse

_WIDE = (TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64)


class Cost(NamedTuple):
    """MACs of one node: in convolutions, products of matrices and the like, and elementwise."""

    linear: int = 0
    elementwise: int = 0

    @property
    def macs(self) -> int:
        return self.linear + self.elementwise


@dataclass(slots=True)
class Credit:
    """Additions that come with multiplications already counted: the second half of a MAC.

    Views of a tensor (Reshape, Split, Relu...) share one credit, so no addition is paid twice.
    """

    left: int

    def take(self, additions: int) -> int:
        """How many of `additions` this credit covers; it is used up by as much."""
        taken = min(self.left, additions)
        self.left -= taken
        return taken


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

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(slots=True)
class View:
    """One node as cost rules see it. Missing optional inputs and outputs are None."""

    op: str
    name: str
    opset: int
    attributes: dict[str, AttributeProto]
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value | None, ...]
    charge_additions: bool = True

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
        if not self.charge_additions:
            return 0
        for value in self.given:
            if value.credit is not None and not value.constant:
                count -= value.credit.take(count)
        return count * self.width

    def misfit(self, why: str) -> NoReturn:
        refuse("shapes", op=self.op, name=self.name, why=why)


# What a graded ONNX model may be and how large it may grow.


MIB = 2**20


@dataclass(frozen=True)
class GraphLimits:
    """The bounds under which `inspect` counts a model; beyond them it is refused."""

    opsets: range = range(13, 27)
    """Opsets of ai.onnx: 13 moved shapes into inputs; 26 is the newest that both onnx 1.23 and
    ONNX Runtime 1.31 know."""
    ir_versions: range = range(4, 14)
    max_file_bytes: int = 512 * MIB
    max_nodes: int = 5_000
    """Nodes after functions are inlined."""
    max_inputs: int = 512
    """Inputs and outputs of the graph together, without stored tensors that are also inputs."""
    max_tensor_bytes: int = 512 * MIB
    """Any one tensor, stored or computed, at batch 1 (times the batch otherwise)."""
    max_constant_bytes: int = 1024 * MIB
    """All tensors computed from constants alone, together."""
    max_constant_macs: int = 10**10
    """Work on constants alone, done once when the model is loaded."""
    max_macs: int = 10**13
    """MACs at batch 1."""
    batches: tuple[int, ...] = (1, 2, 3, 128)
    """Batch sizes at which the graph is counted. The first must be 1 and is the one reported; at
    the others the cost per example must not be higher. Put the sizes that are run in here."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of named dynamic dimensions other than the batch, as {"samples": 1600}."""
    length: int | None = None
    """Size of a dynamic second axis of an input, whatever it is called: tokens of a sequence."""
    charge_additions: bool = True
    """Count an addition that does not follow a multiplication as one MAC (see COSTS)."""
