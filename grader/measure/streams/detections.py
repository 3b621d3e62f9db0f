"""Detections of a streaming model: triggers, delays and false alarms from its probabilities.

A detector triggers when its probability rises to the threshold, and not again within
`REFRACTORY_SECONDS`. A keyword is found by a trigger between its first sample and
`PATIENCE_SECONDS` after its last; the delay is counted from its last sample, so that a
trigger during the word is early (negative). Every other trigger is a false alarm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
REFRACTORY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Detections:
    """The triggers of a detector on one recording."""

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
    """Match triggers to keywords.

    `probabilities` (chunks,) are those after `ends` (chunks,) samples; `spans` (keywords, 2) are
    first and last samples of the keywords, in order. Raises ValueError without chunks.
    """
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
    """(triggers,) samples heard at each trigger; arguments as for `detect`."""
    above = probabilities >= threshold
    rises = np.flatnonzero(above & ~np.concatenate([[False], above[:-1]]))
    found: list[int] = []
    for end in ends[rises]:
        if not found or end - found[-1] >= REFRACTORY_SECONDS * SAMPLE_RATE:
            found.append(int(end))
    return np.array(found, np.int64)
