"""Titles and hints of the checks of the analysis."""

from __future__ import annotations

from grader.text import Text

TITLES = {
    "analysis_is_read": Text("The analysis can be read"),
    "figures_are_right": Text("The model's figures are right"),
    "bottlenecks_are_measured": Text("The bottlenecks are where the time goes"),
    "limits_agree": Text("The limits are those of the platform"),
    "promises_are_possible": Text("No hypothesis promises more than is possible"),
    "trade_offs_are_named": Text("Reasons and trade-offs are named"),
    "report_is_complete": Text("The report is complete"),
}
HINTS = {
    "read": Text(
        "Correct this first; nothing else of analysis.toml is looked at until it can be read."
    ),
    "figures": Text(
        "Run `grader profile` on the model file with your platform and dtype and copy the figures."
    ),
    "bottlenecks": Text(
        "`grader profile MODEL --platform NAME` lists the layers by predicted time, and what "
        "limits each."
    ),
    "limits": Text(
        "`grader profile MODEL --platform NAME --html page.html` lists the platform's figures "
        "with their sources, and says whether the model fits."
    ),
    "promises": Text(
        "Amdahl: with a share p of the time in these layers, the whole gets at most 1/(1-p) "
        "times faster. Promise less, or touch more layers."
    ),
    "trade_offs": Text("Say for each what gets worse: accuracy, memory, work, price, support."),
    "report": Text(
        "Keep the five headings of the template and write under each in your own words."
    ),
}
