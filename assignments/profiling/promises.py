"""The speed-up that a hypothesis promises, and its bound on this platform.

The layers that it changes take a share p of the predicted time; the rest stays. Amdahl's law
(AFIPS 1967) bounds the whole by 1 / (1 - p + p / s) when those layers get s times faster. How
large s can be depends on the method: another data type leaves the work in the platform's fastest
type; a better runtime leaves the arithmetic; methods that replace layers may leave nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from grader.measure.hardware.roofline import predict, speedup_bound
from grader.text import EMPTY, Text, verbatim
from grader.text.untrusted import quoted

from .analysis import Hypothesis
from .analysis_model import Measured


@dataclass(frozen=True)
class Promise:
    """One hypothesis beside its bound."""

    hypothesis: Hypothesis
    share: float
    """Share of the predicted time in the layers that it changes."""
    bound: float
    """Largest speed-up of the whole; infinite without a bound."""
    amdahl: float
    """The bound if those layers took no time at all."""
    unmatched: tuple[str, ...]

    @property
    def shown_bound(self) -> Text:
        """`1.6 of 2.1` for promised and possible."""
        return Text(
            "{promised:.3g}× ≤ {bound}",
            promised=self.hypothesis.speedup,
            bound=_times(self.bound),
        )

    def problem(self, tolerance: float) -> Text | None:
        """A sentence about what is wrong with it, or None."""
        name, promised = quoted(self.hypothesis.name), self.hypothesis.speedup
        if self.unmatched:
            lost = quoted(self.unmatched[0])
            return Text("“{name}” touches {lost}, but no layer is called so", name=name, lost=lost)
        if promised <= 1:
            return Text(
                "“{name}” promises {promised:.3g}×, which is no speed-up",
                name=name,
                promised=promised,
            )
        if promised <= self.bound * (1 + tolerance):
            return None
        reason = EMPTY
        if self.bound < self.amdahl:
            reason = _REASONS[self.hypothesis.method]
        return Text(
            "“{name}” promises {promised:.3g}×, but its layers take {share:.1%} of the predicted "
            "time, so the whole gets at most {bound} faster{reason}",
            name=name,
            promised=promised,
            share=self.share,
            bound=_times(self.bound),
            reason=reason,
        )


def promise(hypothesis: Hypothesis, measured: Measured) -> Promise:
    """The hypothesis with the bound for its layers and its method."""
    found = speedup_bound(measured.prediction, hypothesis.layers)
    touched = {
        index
        for index, layer in enumerate(measured.prediction.layers)
        if any(layer is one for one in found.layers)
    }
    total = measured.prediction.seconds
    rest = 0.0 if found.share == 1.0 else max(total * (1 - found.share), 0.0)
    left = rest + _least_seconds(hypothesis, measured, touched)
    return Promise(
        hypothesis=hypothesis,
        share=found.share,
        bound=total / left if left > 0 else math.inf,
        amdahl=found.bound,
        unmatched=found.unmatched,
    )


def _least_seconds(hypothesis: Hypothesis, measured: Measured, touched: set[int]) -> float:
    """Smallest share of the layers' time that the method can leave."""
    if hypothesis.method == "inference":
        layers = measured.prediction.layers
        return math.fsum(layers[index].compute_s for index in touched)
    if hypothesis.method != "quantization":
        return 0.0
    others = (predict(measured.workload, measured.platform, t) for t in measured.platform.peak)
    return min(
        math.fsum(other.layers[index].seconds for index in touched)
        for other in (measured.prediction, *others)
    )


_REASONS = {
    "quantization": Text(", even in the platform's fastest data type"),
    "inference": Text(", with all of their arithmetic still to be done"),
}


def _times(bound: float) -> Text:
    if math.isinf(bound):
        return verbatim("∞")
    return Text("{n:,.0f}×", n=bound) if bound >= 100 else Text("{n:.3g}×", n=bound)
