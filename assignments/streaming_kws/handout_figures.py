"""The pictures of the handout, drawn from its measured tables."""

from __future__ import annotations

from grader.handout.drawing import Drawing
from grader.text import Text


def costs(drawing: Drawing) -> None:
    """Multiplications in a second of listening, step by step."""
    table = drawing.measured("costs")
    drawing.size = (6.4, 2.5)
    axes = drawing.axes(
        drawing.text(
            Text("million MACs a second of sound (logarithmic)"),
        )
    )
    labels, values = table.labels()[::-1], table.numbers(1)[::-1]
    bars = axes.barh(labels, values, color=drawing.accent, height=0.6)
    axes.bar_label(bars, [f"{value:g}" for value in values], padding=4, color=drawing.ink)
    axes.set(xscale="log", xlim=(1, 600))
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    axes.grid(visible=False, axis="y")
    axes.minorticks_off()
