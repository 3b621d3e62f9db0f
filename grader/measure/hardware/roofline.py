"""The time of a network on a platform, what limits each operator, and whether it fits.

The roofline model (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009): an operator takes
as long as its arithmetic at the platform's peak or as its bytes at the platform's bandwidth,
whichever is longer. Operators run one after another, each with a fixed overhead where that is
known. It is a lower bound: no real kernel reaches the peak.

Amdahl's law (G. M. Amdahl, "Validity of the single processor approach to achieving large scale
computing capabilities", AFIPS 1967) bounds what faster layers can give: with a share p of the time
made s times faster, the whole gets 1 / (1 - p + p / s) times faster, never more than 1 / (1 - p).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from grader.measure.hardware.platforms import DType, Platform
from grader.measure.hardware.workload import Amount, Code, Work, Workload
from grader.text import Text, join
from grader.text.errors import UsageError

Bound = Literal["compute", "memory"]
Limit = Literal["compute", "memory", "overhead"]


@dataclass(frozen=True)
class Demand:
    """Bytes that a network needs of one memory, and bytes that are there."""

    needed: int
    available: int

    @property
    def surplus(self) -> int:
        """Bytes that do not fit; negative is room left."""
        return self.needed - self.available


@dataclass(frozen=True)
class Fit:
    """Weights against flash, activations against RAM; with unified memory, both against RAM."""

    weight_bytes: int
    activation_bytes: int
    ram: Demand
    storage: Demand | None
    """None where weights lie in RAM."""
    rescue: Code | None
    """A smaller way of storing the weights with which it would fit, where it does not."""

    @property
    def fits(self) -> bool:
        """Whether it fits as stored."""
        return self.ram.surplus <= 0 and (self.storage is None or self.storage.surplus <= 0)

    @property
    def sentence(self) -> Text:
        """A sentence: it fits, or which memory overflows by how much."""
        if self.fits:
            return _enough(self)
        over = []
        if self.storage is not None and self.storage.surplus > 0:
            over.append(_overflow(self.storage, "flash"))
        if self.ram.surplus > 0:
            over.append(_overflow(self.ram, "unified" if self.storage is None else "RAM"))
        said = Text("Does not fit: {over}.", over=join("; ", over))
        if self.rescue is None:
            return said
        return Text(
            "{said} It would fit compressed ({title}): {size}.",
            said=said,
            title=self.rescue.title,
            size=_size(self.rescue.bytes),
        )


@dataclass(frozen=True)
class LayerTime:
    """One operator on a platform. Seconds and bytes are those of the whole batch."""

    work: Work
    dtype: DType
    """The type of the computation on this platform."""
    weight_bytes: int
    """Bytes of the weights that belong to it."""
    bytes_moved: int
    """Weights and activations, read and written."""
    compute_s: float
    memory_s: float
    overhead_s: float

    @property
    def name(self) -> str:
        return self.work.name

    @property
    def op(self) -> str:
        return self.work.op

    @property
    def macs(self) -> int:
        return self.work.macs

    @property
    def seconds(self) -> float:
        return max(self.compute_s, self.memory_s) + self.overhead_s

    @property
    def intensity(self) -> float:
        """MACs per byte moved; infinite where no bytes are moved."""
        if self.bytes_moved:
            return self.macs / self.bytes_moved
        return math.inf if self.macs else 0.0

    @property
    def bound(self) -> Bound:
        """Which of the two roofs is lower for it."""
        return "compute" if self.compute_s > self.memory_s else "memory"

    @property
    def limit(self) -> Limit:
        """What takes most of its time: its bound, or the overhead."""
        return self.bound if max(self.compute_s, self.memory_s) >= self.overhead_s else "overhead"


@dataclass(frozen=True)
class Prediction:
    """A workload on a platform."""

    workload: Workload
    platform: Platform
    dtype: DType
    """The type of most of the MACs; operators may differ (`LayerTime.dtype`)."""
    layers: tuple[LayerTime, ...]
    fit: Fit

    @property
    def seconds(self) -> float:
        """Seconds for the whole batch."""
        return math.fsum(layer.seconds for layer in self.layers)

    @property
    def compute_s(self) -> float:
        """All arithmetic at the peak: no schedule is faster."""
        return math.fsum(layer.compute_s for layer in self.layers)

    @property
    def memory_s(self) -> float:
        """All bytes at the bandwidth: no schedule that moves them is faster."""
        return math.fsum(layer.memory_s for layer in self.layers)

    @property
    def bytes_moved(self) -> int:
        return sum(layer.bytes_moved for layer in self.layers)

    @property
    def peak(self) -> float:
        """MAC/s of the platform in the fastest type that is used."""
        used = {self.dtype, *(layer.dtype for layer in self.layers if layer.macs)}
        return max(self.platform.peak[dtype].value for dtype in used)

    @property
    def ridge(self) -> float:
        """MACs per byte at which both roofs meet."""
        return self.peak / self.platform.bandwidth.value

    def share(self, layer: LayerTime) -> float:
        """The layer's part of the time, 0 to 1."""
        return layer.seconds / self.seconds if self.seconds else 0.0

    def bottlenecks(self, k: int) -> tuple[LayerTime, ...]:
        """The `k` layers that take longest, the longest first; of equals the earlier."""
        return tuple(sorted(self.layers, key=lambda layer: -layer.seconds)[:k])

    def time_by_limit(self) -> dict[Limit, float]:
        """Seconds spent on arithmetic, on memory and on overhead; they add up to `seconds`."""
        spent: dict[Limit, float] = {"compute": 0.0, "memory": 0.0, "overhead": 0.0}
        for layer in self.layers:
            spent[layer.bound] += max(layer.compute_s, layer.memory_s)
            spent["overhead"] += layer.overhead_s
        return spent


@dataclass(frozen=True)
class SpeedupBound:
    """The largest gain from a change to some layers."""

    layers: tuple[LayerTime, ...]
    """The layers that the patterns name."""
    share: float
    """Their part of the predicted time, 0 to 1."""
    unmatched: tuple[str, ...]
    """Names and patterns that match no layer."""

    @property
    def bound(self) -> float:
        """The largest speed-up of the whole; infinite when every layer is matched."""
        return amdahl_bound(self.share)


def predict(workload: Workload, platform: Platform, dtype: DType | None = None) -> Prediction:
    """The workload on the platform, as it was exported or with its numbers in `dtype`.

    As exported, each operator is computed in its own type, or the narrowest wider one that the
    platform has, and bytes stay. Raises UsageError when the platform cannot compute in the type.
    """
    stored = None if dtype in (None, workload.dtype) else dtype
    layers = tuple(_time(work, platform, dtype, stored) for work in workload.works)
    runs = _type(workload.dtype, platform, dtype)
    return Prediction(workload, platform, runs, layers, fit(workload, platform, stored))


def fit(workload: Workload, platform: Platform, dtype: DType | None = None) -> Fit:
    """The workload as exported, or with its numbers in `dtype`, in the platform's memory."""
    weights, held = workload.weights.bytes(dtype), workload.peak_activation_bytes(dtype)
    found = _fit(weights, held, platform)
    if found.fits:
        return found
    smaller = sorted(workload.codes, key=lambda code: -code.bytes)
    rescue = next((c for c in smaller if _fit(c.bytes, held, platform).fits), None)
    return replace(found, rescue=rescue)


def amdahl_bound(share: float, gain: float = math.inf) -> float:
    """Speed-up of the whole when `share` of its time becomes `gain` times faster.

    Raises ValueError for a share outside 0 to 1 or a gain that is not positive.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share lies between 0 and 1, not at {share}")
    if not gain > 0:
        raise ValueError(f"a gain is positive, not {gain}")
    left = (1.0 - share) + share / gain
    return 1.0 / left if left > 0 else math.inf


def speedup_bound(prediction: Prediction, patterns: Iterable[str]) -> SpeedupBound:
    """Amdahl's bound for the layers that `patterns` name: names, operators, or globs of either
    (`/gru/*`, `GRU`, `Conv*`)."""
    asked = list(dict.fromkeys(patterns))
    matched = {
        pattern: [
            layer
            for layer in prediction.layers
            if pattern in (layer.name, layer.op)
            or any(fnmatchcase(text, pattern) for text in (layer.name, layer.op))
        ]
        for pattern in asked
    }
    chosen = {id(layer) for found in matched.values() for layer in found}
    layers = tuple(layer for layer in prediction.layers if id(layer) in chosen)
    share = math.fsum(prediction.share(layer) for layer in layers)
    if len(layers) == len(prediction.layers):
        share = 1.0  # a sum of parts may round to a little less
    unmatched = tuple(pattern for pattern in asked if not matched[pattern])
    return SpeedupBound(layers, min(share, 1.0), unmatched)


def _type(own: DType, platform: Platform, asked: DType | None) -> DType:
    runs = asked if asked is not None else platform.computes_in(own)
    if runs is None or runs not in platform.peak:
        has = ", ".join(platform.peak)
        raise UsageError(
            "{title} cannot compute in {asked}; it has {has}: choose one of these with --dtype.",
            title=platform.title,
            asked=asked or own,
            has=has,
        )
    return runs


def _time(work: Work, platform: Platform, asked: DType | None, stored: DType | None) -> LayerTime:
    # Views do not run as an operator.
    launched = bool(work.macs or work.activations != Amount())
    weights = work.fetched.bytes(stored) if launched else 0
    again, cache = work.repeated.bytes(stored), platform.memory.cache
    if launched and (cache is None or again > cache.value):
        weights += again * (work.steps - 1)  # recurrent weights are read at every step
    activations = work.activations.bytes(stored)
    from_storage = platform.storage_bandwidth or platform.bandwidth
    runs = _type(work.dtype, platform, asked)
    return LayerTime(
        work=work,
        dtype=runs,
        weight_bytes=work.weights.bytes(stored),
        bytes_moved=weights + activations,
        compute_s=work.macs / platform.peak[runs].value,
        memory_s=weights / from_storage.value + activations / platform.bandwidth.value,
        overhead_s=platform.overhead_s.value if platform.overhead_s and launched else 0.0,
    )


def _fit(weights: int, held: int, platform: Platform) -> Fit:
    memory = platform.memory
    ram = int(memory.ram.value)
    if memory.storage is None:
        return Fit(weights, held, Demand(weights + held, ram), None, None)
    storage = Demand(weights, int(memory.storage.value))
    return Fit(weights, held, Demand(held, ram), storage, None)


def _enough(found: Fit) -> Text:
    weights, held = _size(found.weight_bytes), _size(found.activation_bytes)
    ram = _size(found.ram.available)
    if found.storage is None:
        return Text(
            "Fits: weights {weights} and activations {held} of {ram} memory.",
            weights=weights,
            held=held,
            ram=ram,
        )
    flash = _size(found.storage.available)
    return Text(
        "Fits: weights {weights} of {flash} flash, activations {held} of {ram} RAM.",
        weights=weights,
        flash=flash,
        held=held,
        ram=ram,
    )


def _overflow(demand: Demand, memory: Literal["flash", "RAM", "unified"]) -> Text:
    needed, there, over = map(_size, (demand.needed, demand.available, demand.surplus))
    if memory == "flash":
        return Text(
            "the weights take {needed}, {over} more than the {there} of flash",
            needed=needed,
            over=over,
            there=there,
        )
    if memory == "unified":
        return Text(
            "weights and activations take {needed}, {over} more than the {there} of memory",
            needed=needed,
            over=over,
            there=there,
        )
    return Text(
        "the activations take {needed} at once, {over} more than the {there} of RAM",
        needed=needed,
        over=over,
        there=there,
    )


def _size(count: int) -> Text:
    """Bytes with a unit: in full up to ten million, then in powers of 1,024."""
    if count < 10**7:
        return Text("{count:,} B", count=count)
    if count >= 2**30:
        return Text("{amount} GB", amount=_rounded(count / 2**30))
    return Text("{amount} MB", amount=_rounded(count / 2**20))


def _rounded(amount: float) -> Text:
    """One decimal, unless it is zero."""
    tenths = round(amount, 1)
    return Text("{n:,.0f}", n=tenths) if tenths.is_integer() else Text("{n:,.1f}", n=tenths)
