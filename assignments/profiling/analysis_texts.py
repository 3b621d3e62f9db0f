"""Titles and hints of the checks of the analysis, by their names."""

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
    "analysis_is_read": [
        Text(
            "Correct this first; nothing else of analysis.toml is looked at until it can be read."
        ),
        Text(
            "Every TODO of analysis.toml needs a value, texts in quotes, numbers without; "
            "digits may be grouped as 1_000_000."
        ),
    ],
    "figures_are_right": [
        Text(
            "Run `grader profile` on the model file with your platform and dtype and copy "
            "the figures."
        ),
        Text(
            "weight_bytes follow from dtype and params; activation_bytes are the most held "
            "at one time, not the sum over layers."
        ),
    ],
    "bottlenecks_are_measured": [
        Text(
            "`grader profile MODEL --platform NAME` lists the layers by predicted time, "
            "and what limits each."
        ),
        Text(
            "Take the slowest layer first, and read from the list what bounds it: the "
            "largest of arithmetic, bytes and launching."
        ),
    ],
    "limits_agree": [
        Text(
            "`grader profile MODEL --platform NAME --html page.html` lists the platform's "
            "figures with their sources, and says whether the model fits."
        ),
        Text(
            "peak_macs depends on dtype: a processor may do four int8 products where it "
            "does one in float32."
        ),
    ],
    "promises_are_possible": [
        Text(
            "Amdahl: with a share p of the time in these layers, the whole gets at most "
            "1/(1-p) times faster. Promise less, or touch more layers."
        ),
        Text(
            "Work one out: with p = 0.6 of the time and these layers made four times "
            "faster, the whole gets 1 / (0.4 + 0.6 / 4) = 1.82 times faster."
        ),
    ],
    "trade_offs_are_named": [
        Text("Say for each what gets worse: accuracy, memory, work, price, support."),
        Text(
            "Each `why` says what happens in these layers, each `trade_off` what gets "
            "worse: accuracy, memory, training time, another platform."
        ),
    ],
    "report_is_complete": [
        Text("Keep the five headings of the template and write under each in your own words."),
        Text(
            "Two or three sentences with numbers of your own under each heading are "
            "enough; what stood in the template does not count."
        ),
    ],
}
