"""The pictures of the handout, drawn from its measured tables."""

from __future__ import annotations

from grader.handout.drawing import Drawing
from grader.text import Text


def codes(drawing: Drawing) -> None:
    """Bytes of the same weights in several codes, and what fits into the board."""
    table = drawing.measured("codes")
    drawing.size = (6.4, 2.4)
    axes = drawing.axes(drawing.text(Text("thousand bytes")))
    labels, values = table.labels()[1:], [value / 1000 for value in table.numbers(1)[1:]]
    bars = axes.barh(labels[::-1], values[::-1], height=0.6, color=drawing.accent)
    bars[0].set(facecolor="none", edgecolor=drawing.accent, hatch="//")  # a bound, no code
    axes.bar_label(bars, [f"{value:.1f}" for value in values[::-1]], padding=4, color=drawing.ink)
    axes.axvline(32.256, color=drawing.bad, linestyle="--", linewidth=1.5)
    axes.annotate(
        drawing.text(Text(" the board's flash")), (32.256, 3.52), color=drawing.bad,
        fontsize=9, annotation_clip=False, va="bottom", ha="center",
    )  # fmt: skip
    axes.set(xlim=(0, 42), ylim=(-0.5, 3.5))
    axes.grid(visible=False, axis="y")
