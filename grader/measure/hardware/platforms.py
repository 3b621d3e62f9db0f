"""Platforms that a network may run on: memory, bandwidth and peak throughput, with sources.

    platform = platforms.load("cortex-m4")
    platform.peak["int8"].value        # multiply-accumulates a second
    platforms.catalogue().platforms    # all, by name, the smallest first

`catalogue.toml` beside this file holds the built-in platforms: a new one is one table in it. A
course folder adds its own with `platforms/*.toml` beside `assignments/`, and a caller with `files`;
the same name replaces.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from grader.lesson import course
from grader.text import EMPTY, Text, from_toml
from grader.text.errors import DataError, UsageError

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
PRICES: dict[PriceClass, Text] = {
    "under 10 USD": Text("under 10 USD"),
    "10 to 50 USD": Text("10 to 50 USD"),
    "50 to 150 USD": Text("50 to 150 USD"),
    "150 to 500 USD": Text("150 to 500 USD"),
    "500 to 2,000 USD": Text("500 to 2,000 USD"),
    "over 10,000 USD": Text("over 10,000 USD"),
}
Positive = Annotated[float, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=40)]

BUILT_IN = Path(__file__).parent / "catalogue.toml"
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
    """One number, in SI units (bytes, bytes per second, MAC/s, hertz, watts, seconds)."""

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


class Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of hardware. Throughput is that of all its cores, unless `note` says otherwise."""

    name: Name
    title: Text
    kind: Kind
    price: PriceClass
    clock_hz: Figure
    memory: Memory
    bandwidth: Figure
    """Bytes per second between `memory.ram` and the arithmetic."""
    peak: Annotated[dict[DType, Figure], msgspec.Meta(min_length=1)]
    """Multiply-accumulates per second by data type; types that the hardware lacks are left out."""
    storage_bandwidth: Figure | None = None
    """Bytes per second from `memory.storage`; None for the same as `bandwidth`."""
    power_w: Figure | None = None
    overhead_s: Figure | None = None
    """Fixed seconds per operator; None where unknown, counted as 0."""
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


class PlatformFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of one TOML file."""

    platform: tuple[Platform, ...]
    sources: dict[str, Source] = {}


class Catalogue(msgspec.Struct, frozen=True):
    """Platforms by name, in the order of their files, and the documents their figures cite."""

    platforms: dict[str, Platform]
    sources: dict[str, Source]


NOTHING = Catalogue({}, {})


def read(path: Path, before: Catalogue = NOTHING) -> Catalogue:
    """`before` and the platforms of the TOML file `path`, which may cite sources of `before`.

    Raises UsageError when the file cannot be opened, DataError when its content is wrong.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            "The file of platforms {path} cannot be read ({strerror}).",
            path=path,
            strerror=error.strerror,
        ) from error
    try:
        found = from_toml(raw, PlatformFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, str(error)) from error
    joined = Catalogue(
        before.platforms | {one.name: one for one in found.platform},
        before.sources | found.sources,
    )
    _check(path, found, joined)
    return joined


def catalogue(files: Sequence[Path] = ()) -> Catalogue:
    """All platforms; later files replace those of the same name. Raises DataError, UsageError."""
    found = read(BUILT_IN)
    of_course = sorted((course.assignments().parent / "platforms").glob("*.toml"))
    for path in [*of_course, *files]:
        found = read(path, found)
    return found


def load(name: str, files: Sequence[Path] = ()) -> Platform:
    """The platform `name`. Raises UsageError with the nearest name when there is none."""
    known = catalogue(files).platforms
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.4)
    listed = ", ".join(known)
    if not near:
        raise UsageError(
            "There is no platform {name}. Known: {listed}.", name=repr(name), listed=listed
        )
    raise UsageError(
        "There is no platform {name}; did you mean {near}? Known: {listed}.",
        name=repr(name),
        near=near[0],
        listed=listed,
    )


def _check(path: Path, found: PlatformFile, joined: Catalogue) -> None:
    if len({one.name for one in found.platform}) < len(found.platform):
        raise _wrong(path, "two platforms have the same name")
    for one in found.platform:
        if one.storage_bandwidth is not None and one.memory.storage is None:
            raise _wrong(path, f"{one.name}: storage_bandwidth without memory.storage")
        for name, figure in one.figures().items():
            if figure.source not in joined.sources:
                raise _wrong(path, f"{one.name}: {name} cites an unknown source {figure.source!r}")
            if figure.basis != "stated" and not figure.how:
                raise _wrong(path, f"{one.name}: {name} is {figure.basis}, but `how` is empty")


def _wrong(path: Path, why: str) -> DataError:
    return DataError(
        "The file of platforms {path} is wrong: {why}; docs/platforms.md lists the keys.",
        path=path,
        why=why,
    )
