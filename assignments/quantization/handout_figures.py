"""The pictures of the handout, drawn from its measured tables."""

from __future__ import annotations

from grader.handout.drawing import Drawing
from grader.text import Text


def anatomy(drawing: Drawing) -> None:
    """Bytes of rubert-tiny2 by part."""
    table = drawing.measured("anatomy")
    drawing.size = (6.4, 2.4)
    axes = drawing.axes(drawing.text(Text("million bytes, float32")))
    labels = [label.split(",")[0] for label in table.labels()[:-1]]
    values = [size / 1000 for size in table.numbers(2)[:-1]]
    bars = axes.barh(labels[::-1], values[::-1], height=0.6, color=drawing.accent)
    axes.bar_label(bars, [f"{value:.1f}" for value in values[::-1]], padding=4, color=drawing.ink)
    axes.set(xlim=(0, 125))
    axes.grid(visible=False, axis="y")


def storage(drawing: Drawing) -> None:
    """Accuracy of the course's teacher against bits, a line for each way of sharing a scale."""
    table = drawing.measured("storage")
    rows = [
        (row[0], accuracy)
        for row, accuracy in zip(table.rows, table.numbers(3), strict=True)
        if row[0].startswith("int")
    ]
    axes = drawing.axes(drawing.text(Text("bits a weight")), "accuracy, %")
    lines = (
        ("v--", drawing.bad, drawing.text(Text("one scale a tensor"))),
        ("o-", drawing.accent, drawing.text(Text("a scale per row"))),
        ("s:", drawing.good, drawing.text(Text("a scale per block of 16"))),
    )
    for place, (style, colour, name) in enumerate(lines):
        ours = rows[place :: len(lines)]
        bits = [int(row[0][3]) for row in ours]
        axes.plot(bits, [row[1] for row in ours], style, color=colour, label=name)
    axes.legend(loc="lower right", frameon=False)
    axes.set_xticks([2, 3, 4, 8], ["2", "3", "4", "8"])
    axes.set(ylim=(0, 104))


def suspects(drawing: Drawing) -> None:
    """AU-FA-FR over that of float32, for each way of running the keyword spotter."""
    table = drawing.measured("suspects")
    drawing.size = (6.4, 3.6)
    axes = drawing.axes(
        drawing.text(Text("AU-FA-FR / that of float32")),
    )
    labels, values = table.labels()[1:][::-1], table.numbers(2)[1:][::-1]
    guilty = [value > 10 for value in values]
    bars = axes.barh(labels, values, height=0.6, color=drawing.accent)
    for bar, beyond in zip(bars, guilty, strict=True):
        if beyond:
            bar.set(facecolor="none", edgecolor=drawing.bad, hatch="//")
    axes.bar_label(bars, [f"{value:.3g}" for value in values], padding=4, color=drawing.ink)
    axes.axvline(10, color=drawing.bad, linestyle="--", linewidth=1.2)
    axes.set(xscale="log", xlim=(0.5, 2000))
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.minorticks_off()
    axes.grid(visible=False, axis="y")
