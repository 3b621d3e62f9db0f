"""Check of the bottlenecks that a student names against the predicted times."""

from __future__ import annotations

from collections.abc import Sequence

from grader.measure.hardware.roofline import LayerTime, Prediction, speedup_bound
from grader.text import Text
from grader.text.untrusted import quoted

from .analysis import Bottleneck

ALIKE = 0.95
"""Relative difference below which predicted times count as equal."""


def slowest(prediction: Prediction, k: int, least_share: float) -> tuple[LayerTime, ...]:
    """The `k` slowest layers (of a small network the slower half) and those about as slow as the
    last of them, without layers below `least_share` of the time unless all layers are.
    """
    count = max(1, min(k, len(prediction.layers) // 2))
    ordered = prediction.bottlenecks(len(prediction.layers))
    least_share = min(least_share, 1 / max(len(ordered), 1))
    enough = [layer for layer in ordered if prediction.share(layer) >= least_share * (1 - 1e-9)]
    last = enough[min(count, len(enough)) - 1].seconds * ALIKE if enough else 0.0
    return tuple(layer for layer in enough if layer.seconds >= last)


def judge_bottlenecks(
    named: Sequence[Bottleneck], prediction: Prediction, k: int, least_share: float
) -> tuple[float, list[Text]]:
    """Share of right entries, halved when none of them has the slowest layer; and the problems.

    An entry is right when each of its patterns finds a layer, all layers found are among the
    slowest (see `slowest`), and the slowest of them has the limit that the entry states.
    """
    top = slowest(prediction, k, least_share)
    problems: list[Text] = []
    right, touched = 0, set()
    for number, entry in enumerate(named, 1):
        found = speedup_bound(prediction, entry.layers)
        touched |= {id(layer) for layer in found.layers}
        problem = _problem(number, entry, found.layers, found.unmatched, top, prediction)
        right += problem is None
        problems += [] if problem is None else [problem]
    share = right / len(named)
    if top and id(top[0]) not in touched:
        first = top[0]
        problems.append(
            Text("the slowest layer, {first}, is not named", first=_shown(first, prediction))
        )
        share /= 2
    return share, problems


def _problem(
    number: int,
    entry: Bottleneck,
    found: Sequence[LayerTime],
    unmatched: Sequence[str],
    top: Sequence[LayerTime],
    prediction: Prediction,
) -> Text | None:
    where = f"bottlenecks[{number}]"
    if unmatched:
        name = quoted(unmatched[0])
        return Text("{where}: no layer is called {name}", where=where, name=name)
    fast = [layer for layer in found if not any(layer is one for one in top)]
    if fast:
        worst = min(fast, key=lambda layer: layer.seconds)
        shown, k = _shown(worst, prediction), len(top)
        return Text(
            "{where}: {shown}, is not among the {k} slowest layers", where=where, shown=shown, k=k
        )
    heaviest = max(found, key=lambda layer: layer.seconds)
    if heaviest.limit != entry.bound:
        said = quoted(heaviest.name)
        arithmetic, memory, launch = (1e3 * one for one in _parts(heaviest))
        return Text(
            "{where}: {said} is limited by {limit}, not by {bound}: its arithmetic takes "
            "{arithmetic:.3g} ms, its bytes take {memory:.3g} ms, launching it takes {launch:.3g} "
            "ms",
            where=where,
            said=said,
            limit=heaviest.limit,
            bound=entry.bound,
            arithmetic=arithmetic,
            memory=memory,
            launch=launch,
        )
    return None


def _parts(layer: LayerTime) -> tuple[float, float, float]:
    return layer.compute_s, layer.memory_s, layer.overhead_s


def _shown(layer: LayerTime, prediction: Prediction) -> Text:
    share = prediction.share(layer)
    name = quoted(layer.name)
    return Text("{name} with {share:.1%} of the time", name=name, share=share)
