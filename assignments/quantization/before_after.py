"""Figures of weights before and after quantization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.lesson.grades import Axis, Figure, Series
from grader.text import Text, verbatim
from grader.text.untrusted import name as shown_name

from .pairs import Floats, Pair
from .submitted import TITLES

_BINS = 80
_ROWS = 16


def histogram(model: str, pair: Pair) -> Figure:
    """Weights of one tensor, float32 and quantized, over the same bins."""
    assert pair.rebuilt is not None
    reach = float(np.abs(pair.weight.values).max()) or 1.0
    bits = pair.stored.bits if pair.stored is not None else 32
    name = shown_name(pair.weight.name, 32)
    title = TITLES[model]
    return Figure(
        name=f"weights_{model}",
        title=Text("Weights: {title}, {name}", title=title, name=name),
        kind="line",
        x=Axis(Text("weight")),
        y=Axis(Text("share of the weights"), scale="log"),
        series=[
            _density(Text("before"), "reference", pair.weight.values, reach),
            _density(
                Text("after, {bits} bits", bits=bits),
                "submission",
                pair.rebuilt,
                reach,
            ),
        ],
        caption=Text(
            "{error} of the weights' size is lost to rounding. A long thin tail is an outlier: "
            "it stretches the scale of all the weights that share it.",
            error=_error(pair),
        ),
    )


def largest_error(pairs: Sequence[Pair]) -> Pair | None:
    """The quantized tensor with the largest rounding error; None where none is quantized."""
    found = [one for one in pairs if one.quantized]
    return max(found, key=lambda one: one.error / one.usual_error, default=None)


def tensors(model: str, pairs: Sequence[Pair]) -> Figure:
    """Table of the largest tensors before and after quantization."""
    largest = sorted(pairs, key=lambda one: -one.params)[:_ROWS]
    title = TITLES[model]
    columns = [
        (Text("shape"), [_shape(one) for one in largest]),
        (Text("stored as"), [_kind(one) for one in largest]),
        (Text("lost"), [_error(one) for one in largest]),
        (Text("largest / typical"), [_tail(one) for one in largest]),
    ]
    return Figure(
        name=f"tensors_{model}",
        title=Text("How it is stored: {title}", title=title),
        kind="table",
        x=Axis(Text("storage")),
        y=Axis(Text("tensor")),
        series=[
            Series(label, "submission", x=[], y=[], point_labels=cells) for label, cells in columns
        ],
        caption=Text(
            "Lost: root mean square of what rounding changes, over that of the weights; about 1% "
            "is usual at 8 bits and 16% at 4. Largest / typical above 20 is an outlier."
        ),
        rows=[_named(one.weight.name) for one in largest],
    )


def _density(label: Text, role: str, values: Floats, reach: float) -> Series:
    counts, edges = np.histogram(values, _BINS, (-reach, reach))
    shares = np.maximum(counts, 0.5) / values.size  # an empty bin is drawn on a log axis too
    middles = (edges[1:] + edges[:-1]) / 2
    return Series(
        label,
        role,  # type: ignore[arg-type]
        x=middles.round(6).tolist(),
        y=shares.tolist(),
    )


def _named(name: str) -> Text:
    shown = shown_name(name, 40)
    return verbatim(shown)


def _shape(pair: Pair) -> str:
    return " × ".join(map(str, pair.weight.shape))


def _kind(pair: Pair) -> str:
    stored = pair.stored
    if stored is None:
        return "—"
    return f"int{stored.bits}" if stored.integer else f"float{stored.bits}"


def _error(pair: Pair) -> str:
    return "—" if pair.stored is None else f"{100 * pair.error:.2g}%"


def _tail(pair: Pair) -> str:
    values = pair.weight.values
    typical = float(np.sqrt(np.mean(values**2))) or 1.0
    return f"{float(np.abs(values).max()) / typical:.1f}"
