"""How much faster the whole can get when some of its layers do: Amdahl's law.

G. M. Amdahl, "Validity of the single processor approach to achieving large scale computing
capabilities", AFIPS 1967: with a share p of the time made s times faster, the whole gets
1 / (1 - p + p / s) times faster, and never more than 1 / (1 - p).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from grader.measure.roofline import LayerTime, Prediction


@dataclass(frozen=True)
class SpeedupBound:
    """What a change to some layers can give at most."""

    layers: tuple[LayerTime, ...]
    """Those that were named."""
    share: float
    """Their part of the predicted time, 0 to 1."""
    unmatched: tuple[str, ...]
    """Names and patterns that no layer answers to."""

    @property
    def bound(self) -> float:
        """The largest speed-up of the whole; infinite when every layer is touched."""
        return amdahl_bound(self.share)


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
    touched = {
        pattern: [layer for layer in prediction.layers if _answers(layer, pattern)]
        for pattern in asked
    }
    chosen = {id(layer) for found in touched.values() for layer in found}
    layers = tuple(layer for layer in prediction.layers if id(layer) in chosen)
    if len(layers) == len(prediction.layers):
        share = 1.0  # a sum of parts may round to a little less
    else:
        share = math.fsum(prediction.share(layer) for layer in layers)
    unmatched = tuple(pattern for pattern in asked if not touched[pattern])
    return SpeedupBound(layers, min(share, 1.0), unmatched)


def _answers(layer: LayerTime, pattern: str) -> bool:
    return pattern in (layer.name, layer.op) or any(
        fnmatchcase(text, pattern) for text in (layer.name, layer.op)
    )
