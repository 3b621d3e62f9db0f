"""How long a network takes on a platform, what limits each operator, and whether it fits.

The roofline model (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009): an operator takes
as long as its arithmetic at the platform's peak or as its bytes at the platform's bandwidth,
whichever is longer. Operators run one after another, each with a fixed overhead where that is
known. It is a lower bound: no real kernel reaches the peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from grader.errors import UsageError
from grader.measure.fitting import Fit, fit
from grader.measure.workload import Amount, Work, Workload
from grader.platforms import DType, Platform
from grader.text import Text

Bound = Literal["compute", "memory"]
Limit = Literal["compute", "memory", "overhead"]


@dataclass(frozen=True)
class LayerTime:
    """One operator on a platform. Seconds and bytes are those of the whole batch."""

    work: Work
    dtype: DType
    """What it is computed in here."""
    weight_bytes: int
    """Of the weights that belong to it."""
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
        """MACs for every byte moved; infinite where none is."""
        if self.bytes_moved:
            return self.macs / self.bytes_moved
        return math.inf if self.macs else 0.0

    @property
    def bound(self) -> Bound:
        """Which of the two roofs it hangs from."""
        return "compute" if self.compute_s > self.memory_s else "memory"

    @property
    def limit(self) -> Limit:
        """What most of its time is: its bound, or the overhead."""
        return self.bound if max(self.compute_s, self.memory_s) >= self.overhead_s else "overhead"


@dataclass(frozen=True)
class Prediction:
    """A workload on a platform."""

    workload: Workload
    platform: Platform
    dtype: DType
    """What most of the MACs are computed in; operators may differ (`LayerTime.dtype`)."""
    layers: tuple[LayerTime, ...]
    fit: Fit

    @property
    def seconds(self) -> float:
        """For the whole batch."""
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
        """MACs a byte at which both roofs meet."""
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


def predict(workload: Workload, platform: Platform, dtype: DType | None = None) -> Prediction:
    """The workload on the platform, as it was exported or with its numbers in `dtype`.

    As exported, each operator is computed in its own type, or the narrowest wider one that the
    platform has, and bytes stay. Raises UsageError when the platform cannot compute in the type.
    """
    stored = None if dtype in (None, workload.dtype) else dtype
    layers = tuple(_time(work, platform, dtype, stored) for work in workload.works)
    runs = _type(workload.dtype, platform, dtype)
    return Prediction(workload, platform, runs, layers, fit(workload, platform, stored))


def _type(own: DType, platform: Platform, asked: DType | None) -> DType:
    runs = asked if asked is not None else platform.computes_in(own)
    if runs is None or runs not in platform.peak:
        raise _lacking(platform, asked or own)
    return runs


def _time(work: Work, platform: Platform, asked: DType | None, stored: DType | None) -> LayerTime:
    weights = _weight_traffic(work, platform, stored)
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
        overhead_s=platform.overhead_s.value if platform.overhead_s and _launched(work) else 0.0,
    )


def _launched(work: Work) -> bool:
    """Views cost no launch."""
    return bool(work.macs or work.activations != Amount())


def _weight_traffic(work: Work, platform: Platform, stored: DType | None) -> int:
    """Weights are read once; recurrent ones at every step, unless a cache keeps them."""
    if not _launched(work):
        return 0
    once, again = work.fetched.bytes(stored), work.repeated.bytes(stored)
    cache = platform.memory.cache
    kept = cache is not None and again <= cache.value
    return once if kept else once + again * (work.steps - 1)


def _lacking(platform: Platform, dtype: str) -> UsageError:
    has = ", ".join(platform.peak)
    return UsageError(
        Text(
            en=f"{platform.title.en} cannot compute in {dtype}; it has {has}: choose one of these "
            "with --dtype.",
            ru=f"{platform.title.ru} не умеет считать в {dtype}; доступно: {has}. Выберите один из "
            "этих типов ключом --dtype.",
        )
    )
