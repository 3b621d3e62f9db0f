"""Seven checks that compare the analysis with measurements of the model file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.intake import Submission
from grader.lesson.grades import Check, Measurement, check
from grader.text import EMPTY, Text, join
from grader.text.errors import Rejected

from . import analysis as analyses
from . import analysis_report, promises
from . import figures as drawn
from .analysis import Analysis
from .analysis_model import Measured, measure
from .analysis_texts import HINTS, TITLES
from .bottlenecks import judge_bottlenecks
from .exam import Exam, PartFindings

MOST_PROBLEMS = 4
"""Problems that one message lists; the others are only counted."""
LEAST_WORDS = 4
"""Fewest words of a trade-off or a reason."""


@dataclass(frozen=True)
class Verdict:
    """The result of one check: its share of points, and sentences."""

    share: float
    problems: Sequence[Text]
    fine: Text
    """The message when there are no problems."""


def examine_analysis(exam: Exam, submission: Submission) -> PartFindings:
    """Check `analysis.toml`, the model that it names, and `report.md`, whatever they contain."""
    try:
        found = analyses.read(submission)
        measured = measure(found, submission)
    except Rejected as error:
        verdicts = {"analysis_is_read": Verdict(0.0, [error.text], EMPTY)}
        verdicts |= dict.fromkeys(_JUDGES, _NOT_LOOKED_AT)
        return _findings(exam, verdicts | _report(exam, submission))
    verdicts = {"analysis_is_read": Verdict(1.0, [], _read_fine(found, measured))}
    verdicts |= {name: judge(exam, found, measured) for name, judge in _JUDGES.items()}
    findings = _findings(exam, verdicts | _report(exam, submission))
    return PartFindings(
        measurements=findings.measurements | _measurements(measured),
        checks=findings.checks,
        figures=drawn.all_figures(found, measured),
    )


def _findings(exam: Exam, verdicts: dict[str, Verdict]) -> PartFindings:
    points = exam.settings["analysis"]["points"]
    checks = [_check(name, points[name], verdicts[name]) for name in TITLES]
    share = sum(check.points for check in checks) / sum(check.max_points for check in checks)
    how = Text("share of the points of the checks of the analysis")
    return PartFindings(measurements={"analysis": Measurement(share, "", how)}, checks=checks)


def _check(name: str, points: float, verdict: Verdict) -> Check:
    passed = not verdict.problems
    return check(
        name,
        TITLES[name],
        passed,
        verdict.fine if passed else _joined(verdict.problems),
        [] if verdict is _NOT_LOOKED_AT else HINTS[name],
        max_points=points,
        points=round(points * verdict.share, 6),
    )


def _joined(problems: Sequence[Text]) -> Text:
    """The first problems as sentences, and the number of further ones."""
    shown = problems[:MOST_PROBLEMS]
    said = join(" ", (problem.mapped(_sentence) for problem in shown))
    beyond = len(problems) - len(shown)
    return Text("{said} And {beyond} more.", said=said, beyond=beyond) if beyond else said


def _sentence(text: str) -> str:
    """`text` with a full stop, and a capital letter unless it begins with a file name or a key."""
    first = text.partition(" ")[0]
    return f"{text[:1].upper() if first.isalpha() else text[:1]}{text[1:].rstrip('.')}."


# The checks ---------------------------------------------------------------------------------


def _figures_are_right(exam: Exam, found: Analysis, measured: Measured) -> Verdict:
    """Whether each of the four figures is within the tolerance of the measured one."""
    tolerance = exam.settings["analysis"]["tolerance"]
    fit = measured.prediction.fit
    wanted = {
        "params": (found.stated.params, measured.workload.params),
        "macs": (found.stated.macs, measured.workload.macs),
        "weight_bytes": (found.stated.weight_bytes, fit.weight_bytes),
        "activation_bytes": (found.stated.activation_bytes, fit.activation_bytes),
    }
    problems = [
        Text(
            "stated.{name} is {stated:,.0f}, measured {real:,}, a difference of {difference:.1%}",
            name=name,
            stated=stated,
            real=real,
            difference=abs(stated / real - 1),
        )
        if real
        else Text(
            "stated.{name} is {stated:,.0f}, measured {real:,}",
            name=name,
            stated=stated,
            real=real,
        )
        for name, (stated, real) in wanted.items()
        if not _near(stated, real, tolerance)
    ]
    return Verdict(
        1 - len(problems) / len(wanted),
        problems,
        Text(
            "All four figures are within {tolerance:.0%} of what the file measures.",
            tolerance=tolerance,
        ),
    )


def _bottlenecks_are_measured(exam: Exam, found: Analysis, measured: Measured) -> Verdict:
    settings = exam.settings["analysis"]
    share, problems = judge_bottlenecks(
        found.bottlenecks, measured.prediction, settings["top_k"], settings["least_share"]
    )
    prediction = measured.prediction
    named = {id(layer): layer for one in found.bottlenecks for layer in measured.layers(one.layers)}
    part = math.fsum(prediction.share(layer) for layer in named.values())
    return Verdict(
        share,
        problems,
        Text(
            "The layers that are named take {part:.0%} of the predicted {seconds:.3g} ms on "
            "{name}.",
            part=part,
            seconds=1000.0 * prediction.seconds,
            name=measured.platform.name,
        ),
    )


def _limits_agree(exam: Exam, found: Analysis, measured: Measured) -> Verdict:
    """Whether the figures are those of the catalogue, and the verdict follows from them."""
    tolerance = exam.settings["analysis"]["limits_tolerance"]
    platform, limits = measured.platform, found.limits
    storage, power = platform.memory.storage, platform.power_w
    wanted: dict[str, tuple[float | None, float | None]] = {
        "ram_bytes": (limits.ram_bytes, platform.memory.ram.value),
        "storage_bytes": (limits.storage_bytes, storage.value if storage else None),
        "bandwidth": (limits.bandwidth, platform.bandwidth.value),
        "peak_macs": (limits.peak_macs, measured.prediction.peak),
        "power_w": (limits.power_w, power.value if power else limits.power_w),
    }
    problems = [
        _limit_differs(name, stated, real, platform.name)
        for name, (stated, real) in wanted.items()
        if (stated is None) != (real is None)
        or (stated is not None and real is not None and not _near(stated, real, tolerance))
    ]
    fit = measured.prediction.fit
    if limits.fits != fit.fits:
        said = "true" if limits.fits else "false"
        problems.append(
            Text("limits.fits is {said}, but: {sentence}", said=said, sentence=fit.sentence)
        )
    share = 1 - len(problems) / (len(wanted) + 1)
    return Verdict(share, problems, fit.sentence)


def _limit_differs(name: str, stated: float | None, real: float | None, platform: str) -> Text:
    if real is None:
        return Text(
            "limits.{name} is stated, but {platform} has no such memory apart from RAM; leave "
            "the key out",
            name=name,
            platform=platform,
        )
    if stated is None:
        return Text(
            "limits.{name} is missing; the catalogue says {real} for {platform}",
            name=name,
            real=_amount(real),
            platform=platform,
        )
    return Text(
        "limits.{name} is {stated}, the catalogue says {real} for {platform}",
        name=name,
        stated=_amount(stated),
        real=_amount(real),
        platform=platform,
    )


def _amount(value: float) -> Text:
    return Text("{n:,.0f}", n=value) if value >= 1000 else Text("{n:g}", n=value)


def _promises_are_possible(exam: Exam, found: Analysis, measured: Measured) -> Verdict:
    results = [promises.promise(one, measured) for one in found.hypotheses]
    tolerance = exam.settings["analysis"]["promise_tolerance"]
    problems = [text for one in results if (text := one.problem(tolerance)) is not None]
    bounds = join("; ", (one.shown_bound for one in results))
    return Verdict(
        1 - len(problems) / len(results),
        problems,
        Text("Every promise is within its bound: {bounds}.", bounds=bounds),
    )


def _trade_offs_are_named(exam: Exam, found: Analysis, measured: Measured) -> Verdict:
    """Whether every hypothesis has a trade-off in different words, and every statement a reason."""
    written = {
        **{f"bottlenecks[{n}].why": one.why for n, one in enumerate(found.bottlenecks, 1)},
        **{f"hypotheses[{n}].why": one.why for n, one in enumerate(found.hypotheses, 1)},
        **{
            f"hypotheses[{n}].trade_off": one.trade_off for n, one in enumerate(found.hypotheses, 1)
        },
    }
    seen: dict[str, str] = {}
    problems = []
    for key, text in written.items():
        words = text.casefold().split()
        twin = seen.setdefault(" ".join(words), key)
        if len(words) < LEAST_WORDS or "todo" in words:
            problems.append(
                Text(
                    "{key} has {words_count} words; say it in a sentence",
                    key=key,
                    words_count=len(words),
                )
            )
        elif twin != key:
            problems.append(Text("{key} repeats {twin} word for word", key=key, twin=twin))
    return Verdict(
        1 - len(problems) / len(written),
        problems,
        Text(
            "All {hypotheses_count} hypotheses say what they cost.",
            hypotheses_count=len(found.hypotheses),
        ),
    )


def _report(exam: Exam, submission: Submission) -> dict[str, Verdict]:
    settings = exam.settings["analysis"]
    sections = len(analysis_report.SECTIONS)
    try:
        text = analysis_report.read(submission)
    except Rejected as error:
        verdict = Verdict(0.0, [error.text], EMPTY)
        return {"report_is_complete": verdict}
    problems = analysis_report.problems(
        text,
        exam.template,
        least_words=settings["least_words"],
        most_copied=settings["most_copied"],
    )
    fine = Text(
        "All {sections} sections are written; a person judges what they say.", sections=sections
    )
    share = max(1 - len(problems) / sections, 0.0)
    return {"report_is_complete": Verdict(share, problems, fine)}


def _near(stated: float, real: float, tolerance: float) -> bool:
    return abs(stated - real) <= tolerance * real


# Messages ------------------------------------------------------------------------------------

_JUDGES: dict[str, Callable[[Exam, Analysis, Measured], Verdict]] = {
    "figures_are_right": _figures_are_right,
    "bottlenecks_are_measured": _bottlenecks_are_measured,
    "limits_agree": _limits_agree,
    "promises_are_possible": _promises_are_possible,
    "trade_offs_are_named": _trade_offs_are_named,
}
_NOT_LOOKED_AT = Verdict(
    0.0,
    [Text("Not looked at, because the analysis could not be read.")],
    EMPTY,
)


def _read_fine(found: Analysis, measured: Measured) -> Text:
    title = measured.platform.title
    return Text(
        "{model} on {title}, in {dtype}.", model=found.model, title=title, dtype=found.dtype
    )


def _measurements(measured: Measured) -> dict[str, Measurement]:
    file = Text("from the analysed model file")
    fit = measured.prediction.fit
    return {
        "analysed.params": Measurement(measured.workload.params, "", file),
        "analysed.macs": Measurement(measured.workload.macs, "MAC", file),
        "analysed.weight_bytes": Measurement(fit.weight_bytes, "B", file),
        "analysed.activation_bytes": Measurement(fit.activation_bytes, "B", file),
        "analysed.latency_ms": Measurement(
            1e3 * measured.prediction.seconds,
            "ms",
            Text("predicted by the roofline of {name}, a lower bound", name=measured.platform.name),
        ),
    }
