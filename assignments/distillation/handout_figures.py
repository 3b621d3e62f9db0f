"""The pictures of the handout, drawn from its measured tables."""

from __future__ import annotations

from grader.handout.drawing import Drawing
from grader.text import Text


def teaching(drawing: Drawing) -> None:
    """AU-FA-FR of each student, a dot a seed and a bar for the mean."""
    table = drawing.measured("teaching")
    drawing.size = (6.4, 3.6)
    axes = drawing.axes(drawing.text(Text("AU-FA-FR, 1e-5: less is better")))
    columns = range(2, len(table.header))
    labels, rows = table.labels(), list(zip(*(table.numbers(one) for one in columns), strict=True))
    for place, (label, (*seeds, mean)) in enumerate(zip(labels, rows, strict=True)):
        control = drawing.text(Text("labels")) in label
        mark, colour = ("s", drawing.ink) if control else ("o", drawing.accent)
        axes.plot(seeds, [-place] * len(seeds), mark, color=colour, markersize=5, alpha=0.8)
        axes.plot(mean, -place, "|", color=colour, markersize=15, markeredgewidth=2)
    axes.set_yticks([-place for place in range(len(labels))], labels, fontsize=8)
    axes.set(xscale="log", xlim=(1.45, 10.5))
    axes.set_xticks([1.5, 2, 3, 4, 6, 10], ["1.5", "2", "3", "4", "6", "10"])
    axes.minorticks_off()


def time_and_cost(drawing: Drawing) -> None:
    """Speed-up in multiplications against speed-up on the clock, for each measured model."""
    table = drawing.measured("latency")
    axes = drawing.axes(
        drawing.text(Text("times fewer MACs (logarithmic)")),
        drawing.text(Text("times faster on the clock")),
    )
    axes.plot([0.8, 3.2], [0.8, 3.2], "--", color=drawing.soft, linewidth=1.5)
    axes.annotate(
        drawing.text(Text("if time followed MACs")),
        (2.35, 2.35), (2.6, 2.55), color=drawing.soft, fontsize=9,
    )  # fmt: skip
    places = {5: (-8, 11), 6: (9, -9)}
    for row, (label, fewer, faster) in enumerate(
        zip(table.labels(), table.numbers(2), table.numbers(5), strict=True)
    ):
        if fewer != fewer or row == 0:  # the empty model has no MACs, the baseline is 1 by 1
            continue
        slow = faster < 1
        axes.plot(
            fewer, faster, "s" if slow else "o", color=drawing.bad if slow else drawing.accent
        )
        axes.annotate(
            label, (fewer, faster), places.get(row, (8, -4)), textcoords="offset points", fontsize=9
        )
    axes.axhline(1, color=drawing.ink, linewidth=1)
    axes.set(xscale="log", xlim=(0.85, 22), ylim=(0.3, 3.0))
    axes.set_xticks([1, 2, 3, 5, 10, 20], ["1", "2", "3", "5", "10", "20"])
    axes.minorticks_off()
