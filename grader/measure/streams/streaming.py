"""What a listening model's probabilities are worth: triggers, delays, false alarms, agreement.

A detector triggers when its probability rises to the threshold, and not again within
`REFRACTORY_SECONDS`. A keyword is found by a trigger between its first sample and
`PATIENCE_SECONDS` after its last; the delay is counted from its last sample, so that a
trigger during the word is early (negative). Every other trigger is a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
REFRACTORY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Detections:
    """What a detector did on one recording."""

    triggers: NDArray[np.int64]
    """(triggers,) samples heard when it triggered."""
    delays: NDArray[np.float64]
    """(keywords,) seconds from the end of each keyword to its trigger; NaN where it was missed."""
    false_alarms: NDArray[np.int64]
    """(false alarms,) samples heard at triggers that no keyword explains."""
    seconds: float
    """Length of the recording."""

    @property
    def found(self) -> int:
        return int(np.isfinite(self.delays).sum())

    @property
    def keywords(self) -> int:
        return len(self.delays)

    @property
    def median_delay(self) -> float:
        """Seconds; NaN when no keyword was found."""
        heard = self.delays[np.isfinite(self.delays)]
        return float(np.median(heard)) if len(heard) else float("nan")

    @property
    def false_alarms_per_hour(self) -> float:
        return len(self.false_alarms) * 3600.0 / self.seconds


def detect(
    probabilities: NDArray[np.float64],
    ends: NDArray[np.int64],
    spans: NDArray[np.int64],
    threshold: float,
) -> Detections:
    """`probabilities` (chunks,) after `ends` (chunks,) samples; `spans` (keywords, 2) in
    samples, in order. Raises ValueError without chunks."""
    if not len(ends):
        raise ValueError("nothing was heard")
    found = triggers(probabilities, ends, threshold)
    taken = np.zeros(len(found), bool)
    delays = np.full(len(spans), np.nan)
    for number, (begin, end) in enumerate(spans):
        fits = ~taken & (found >= begin) & (found <= end + PATIENCE_SECONDS * SAMPLE_RATE)
        if fits.any():
            first = int(np.argmax(fits))
            taken[first] = True
            delays[number] = (found[first] - end) / SAMPLE_RATE
    return Detections(found, delays, found[~taken], float(ends[-1]) / SAMPLE_RATE)


def triggers(
    probabilities: NDArray[np.float64], ends: NDArray[np.int64], threshold: float
) -> NDArray[np.int64]:
    """Samples heard at each trigger."""
    above = probabilities >= threshold
    rises = np.flatnonzero(above & ~np.concatenate([[False], above[:-1]]))
    kept: list[int] = []
    for heard in ends[rises]:
        if not kept or heard - kept[-1] >= REFRACTORY_SECONDS * SAMPLE_RATE:
            kept.append(int(heard))
    return np.array(kept, np.int64)


def largest_difference(
    fine: tuple[NDArray[np.int64], NDArray[np.float64]],
    coarse: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> float:
    """Between two answers to one recording in different chunks, each (ends, probabilities), where
    both answered. Raises ValueError when they never did; infinite for NaN."""
    _, a, b = np.intersect1d(fine[0], coarse[0], return_indices=True)
    if not len(a):
        raise ValueError("the two runs have no moment in common")
    difference = np.abs(fine[1][a] - coarse[1][b])
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def irregular(total: int, step: int, longest: int, rng: np.random.Generator) -> list[int]:
    """Chunk sizes that add up to `total`: multiples of `step`, from one to `longest` samples,
    short and long ones equally often on a logarithmic scale."""
    sizes: list[int] = []
    left = total
    while left > 0:
        steps = int(np.exp(rng.uniform(0.0, np.log(longest / step + 0.999))))
        sizes.append(min(max(steps, 1) * step, left))
        left -= sizes[-1]
    return sizes


def seconds_in_chunks(seconds: int, size: int) -> list[int]:
    """Chunk sizes that end at every full second: as many of `size` as fit, then the rest."""
    whole, rest = divmod(SAMPLE_RATE, size)
    return ([size] * whole + ([rest] if rest else [])) * seconds


def first_bad(probabilities: NDArray[np.float64], finite: NDArray[np.bool_]) -> int | None:
    """Number of the first chunk whose answer or state is not finite; None when all are."""
    bad = ~(np.isfinite(probabilities) & finite)
    return int(np.argmax(bad)) if bad.any() else None


def at(
    ends: NDArray[np.int64], probabilities: NDArray[np.float64], moments: Sequence[int]
) -> NDArray[np.float64]:
    """Probabilities at samples at which a chunk ended. Raises ValueError for other moments."""
    places = np.searchsorted(ends, moments)
    if (places >= len(ends)).any() or (ends[places] != moments).any():
        raise ValueError("no chunk ends there")
    return probabilities[places]
