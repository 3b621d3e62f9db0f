"""What is known of a platform: figures in SI units, each with where it is from."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec

from grader.text import EMPTY, Text

DType = Literal["float32", "float16", "bfloat16", "int16", "int8", "int4", "int2"]
DTYPES: tuple[DType, ...] = get_args(DType)
Kind = Literal["microcontroller", "single_board", "laptop", "server", "fpga"]
PriceClass = Literal[
    "under 10 USD",
    "10 to 50 USD",
    "50 to 150 USD",
    "150 to 500 USD",
    "500 to 2,000 USD",
    "over 10,000 USD",
]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=40)]

_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int16": 16, "int8": 8, "int4": 4, "int2": 2}


def bits(dtype: DType) -> int:
    """Bits that one number of this type takes when packed."""
    return _BITS[dtype]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that figures are taken from."""

    title: str
    address: str
    """A web address, or the command that measures."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number, in SI units (bytes, bytes a second, MAC/s, hertz, watts, seconds)."""

    value: Positive
    source: str
    """Key of the catalogue's `sources`."""
    basis: Literal["stated", "derived", "measured"] = "stated"
    """`stated`: the source says so. `derived`: `how` says from what. `measured`: by a program."""
    how: Text = EMPTY


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where weights and activations lie, in bytes."""

    ram: Figure
    storage: Figure | None = None
    """Flash that weights are read from in place. None: weights lie in `ram` as well (unified)."""
    cache: Figure | None = None
    """On-chip memory that keeps weights between the time steps of one layer."""

    @property
    def unified(self) -> bool:
        return self.storage is None


class Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of hardware. Throughput is that of all its cores, unless `note` says otherwise."""

    name: Name
    title: Text
    kind: Kind
    price: PriceClass
    clock_hz: Figure
    memory: Memory
    bandwidth: Figure
    """Bytes a second between `memory.ram` and the arithmetic."""
    peak: Annotated[dict[DType, Figure], msgspec.Meta(min_length=1)]
    """Multiply-accumulates a second by data type; what is missing the hardware does not have."""
    storage_bandwidth: Figure | None = None
    """Bytes a second from `memory.storage`; None as fast as `bandwidth`."""
    power_w: Figure | None = None
    overhead_s: Figure | None = None
    """Seconds that one operator takes besides its work; None where not known, counted as 0."""
    note: Text = EMPTY

    def computes_in(self, dtype: DType) -> DType | None:
        """The type that numbers of `dtype` are multiplied in here: itself, or the narrowest wider
        one that holds all its values. None where there is none."""
        order: tuple[DType, ...] = ("int2", "int4", "int8", "int16", "float32")
        if dtype not in order:
            order = (dtype, "float32")
        wider = order[order.index(dtype) :]
        return next((one for one in wider if one in self.peak), None)

    def figures(self) -> dict[str, Figure]:
        """Every figure by its name, as `memory.ram` or `peak.int8`."""
        single = {
            "clock_hz": self.clock_hz,
            "memory.ram": self.memory.ram,
            "memory.storage": self.memory.storage,
            "memory.cache": self.memory.cache,
            "bandwidth": self.bandwidth,
            "storage_bandwidth": self.storage_bandwidth,
            "power_w": self.power_w,
            "overhead_s": self.overhead_s,
        }
        peaks = {f"peak.{dtype}": figure for dtype, figure in self.peak.items()}
        return {name: figure for name, figure in (single | peaks).items() if figure is not None}
