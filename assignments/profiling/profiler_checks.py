"""The part about `profiler.py`: a student's counts of random models against exact ones.

`[settings.profiler]` of lesson.toml has the tolerance, the time for one model and the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grader.intake import Submission
from grader.lesson.grades import Check, Figure, Measurement, check
from grader.similarity import behaviour
from grader.text import EMPTY, Text, join
from grader.text.errors import Rejected

from .exam import Exam, PartFindings
from .families import draw
from .profiler_answers import Answer, ask
from .profiler_figures import counts_table, macs_by_family, time_by_layer
from .profiler_texts import COUNT_HINTS, FURTHER_HINTS, HINTS, joined, missed_operators, wrong_count
from .truth import COUNTS

WEIGHTS = {"macs": 0.5, "parameters": 0.15, "bytes": 0.1, "activation_bytes": 0.15, "layers": 0.1}
"""Points of each count in one family; counts by layer only where the total is right."""
TIME_WEIGHT = 0.05
"""Share of the part's points for plausible times."""
PLAUSIBLE = 2 / 3
"""Share of families whose times have to be plausible; a busy machine may disturb some."""
SLACK_SECONDS = 0.002
THOPS = 3
"""Number of thop's own errors, without any others, that shows a copy of thop's counts."""


def examine_profiler(exam: Exam, submission: Submission) -> PartFindings:
    """Run the submitted profile_model on every family. Raises Disturbed, Fault."""
    settings = exam.settings["profiler"]
    if not submission.has("profiler.py"):
        return _nothing(exam, _MISSING)
    try:
        asked = ask(submission, draw(exam.seed), exam.limits, settings)
    except Rejected as rejected:  # a file that changed while it was read
        return _nothing(exam, rejected.text)
    answers = asked.answers
    errors = {answer.error for answer in answers}
    if len(errors) == 1 and None not in errors:  # it does not start: one message for all
        return _nothing(exam, answers[0].error or EMPTY, asked.log)
    shares = [_share(answer, settings["tolerance"]) for answer in answers]
    plausible = [_plausible(answer, settings["time_factor"]) for answer in answers]
    timed = sum(plausible) >= PLAUSIBLE * len(answers)
    value = round((1 - TIME_WEIGHT) * sum(shares) / len(shares) + TIME_WEIGHT * timed, 9)
    checks = [
        *(
            _family_check(exam, answer, share)
            for answer, share in zip(answers, shares, strict=True)
        ),
        _time_check(exam, sum(plausible), len(answers), timed),
        _thop_check(exam, answers),
    ]
    return PartFindings(
        _measurements(value, shares),
        checks,
        _figures(answers),
        log=asked.log,
        mistakes=_mistakes(answers, settings["tolerance"]),
    )


def _mistakes(answers: Sequence[Answer], tolerance: float) -> Any:
    """Mistakes by count and family, for comparing submissions; a missing answer is no mistake."""
    asked = [(answer, count) for answer in answers for count in COUNTS]
    stated = [getattr(answer.profile, count, None) for answer, count in asked]
    right = [
        answer.profile is None or _is_right(answer, count, tolerance) for answer, count in asked
    ]
    return behaviour.of_values(stated, right)


def _figures(answers: Sequence[Answer]) -> list[Figure]:
    time = time_by_layer(answers)
    return [macs_by_family(answers), counts_table(answers), *([time] if time else [])]


def _measurements(value: float, shares: Sequence[float]) -> dict[str, Measurement]:
    right = sum(share >= 1 - 1e-9 for share in shares)
    return {
        "profiler": Measurement(
            value,
            "",
            Text("mean over the families, by counts; 5% for plausible times"),
        ),
        "profiler_families": Measurement(
            float(right),
            "",
            Text("families with all counts right, of {shares_count}", shares_count=len(shares)),
        ),
    }


# One family ---------------------------------------------------------------------------------


def _share(answer: Answer, tolerance: float) -> float:
    """Share of the family's points, 0 to 1."""
    if answer.profile is None:
        return 0.0
    right = [count for count in COUNTS if _is_right(answer, count, tolerance)]
    share = sum(WEIGHTS[count] for count in right)
    if "macs" in right and _wrong_layers(answer, tolerance) is None:
        share += WEIGHTS["layers"]
    return share


def _is_right(answer: Answer, count: Any, tolerance: float) -> bool:
    right = answer.case.truth.total(count)
    return abs(getattr(answer.profile, count) - right) <= tolerance * right


def _wrong_layers(answer: Answer, tolerance: float) -> Text | None:
    """The problem with the list of layers, if any: every named layer must have its MACs, and all
    layers must add up to the totals."""
    assert answer.profile is not None
    found: dict[str, float] = {}
    for layer in answer.profile.layers:
        found[layer.name] = found.get(layer.name, 0.0) + layer.macs
    for name, macs in answer.case.truth.macs_by_name().items():
        got = found.get(name, 0.0)
        if abs(got - macs) > tolerance * macs:
            return Text(
                "the layer {name!r} has {got:,.0f} MACs instead of {macs:,}",
                name=name,
                got=got,
                macs=macs,
            )
    for count in COUNTS:
        total = sum(getattr(layer, count) for layer in answer.profile.layers)
        if abs(total - getattr(answer.profile, count)) > tolerance * total:
            return Text(
                "the layers' {count} add up to {total:,.0f}, the total says {getattr:,.0f}",
                count=count,
                total=total,
                getattr=getattr(answer.profile, count),
            )
    return None


def _family_check(exam: Exam, answer: Answer, share: float) -> Check:
    settings, family = exam.settings["profiler"], answer.case.family
    worth = settings["points"] * (1 - TIME_WEIGHT) / len(HINTS)
    passed = share >= 1 - 1e-9
    return check(
        f"profiler_{family.name}",
        Text("Counts: {title}", title=family.title),
        passed,
        _message(answer, settings["tolerance"]),
        [
            _hint(answer, settings["tolerance"]),
            *FURTHER_HINTS,
        ],
        hidden=exam.hidden,
        max_points=worth,
        points=worth * min(share, 1.0),
    )


def _hint(answer: Answer, tolerance: float) -> Text:
    """A hint for the family where its MACs are wrong, otherwise for the wrong count."""
    if answer.profile is None or not _is_right(answer, "macs", tolerance):
        return HINTS[answer.case.name]
    wrong = [count for count in COUNTS if not _is_right(answer, count, tolerance)]
    return COUNT_HINTS[wrong[0] if wrong else "layers"]


def _message(answer: Answer, tolerance: float) -> Text:
    if answer.profile is None:
        return answer.error or EMPTY
    clauses = [
        wrong_count(count, answer.case.truth, getattr(answer.profile, count))
        for count in COUNTS
        if not _is_right(answer, count, tolerance)
    ]
    if not clauses and (layers := _wrong_layers(answer, tolerance)) is not None:
        clauses = [layers]
    if clauses:
        return joined(clauses)
    macs = answer.case.truth.total("macs")
    return Text(
        "All counts are right within {tolerance:.0%}: {macs:,} MACs.",
        tolerance=tolerance,
        macs=macs,
    )


# All families -------------------------------------------------------------------------------


def _plausible(answer: Answer, factor: float) -> bool:
    """Whether the stated time of one call is within a factor of the measured one."""
    if answer.profile is None:
        return False
    seconds = answer.profile.seconds
    longest = min(factor * answer.model_seconds + SLACK_SECONDS, answer.call_seconds)
    return answer.model_seconds / factor <= seconds <= longest


def _time_check(exam: Exam, plausible: int, total: int, passed: bool) -> Check:
    worth = exam.settings["profiler"]["points"] * TIME_WEIGHT
    factor = exam.settings["profiler"]["time_factor"]
    return check(
        "profiler_time",
        Text("Times can be true"),
        passed,
        Text(
            "On {plausible} of {total} models `seconds` is within a factor of {factor:g} of what "
            "one call took on our clock.",
            plausible=plausible,
            total=total,
            factor=factor,
        ),
        [
            Text(
                "Measure one call without hooks and modes, after a warm-up, with "
                "time.perf_counter(); the unit is seconds."
            ),
            *FURTHER_HINTS,
        ],
        hidden=exam.hidden,
        max_points=worth,
    )


def _thop_check(exam: Exam, answers: Sequence[Answer]) -> Check:
    """A check without points of its own that recognizes thop's errors."""
    tolerance = exam.settings["profiler"]["tolerance"]
    blind = [a for a in answers if _thop_is_wrong(a, tolerance)]
    same = [a for a in blind if a.profile is not None and _equal(a.profile.macs, a.thop_macs)]
    answered = [a for a in blind if a.profile is not None]
    passed = len(same) < THOPS or len(same) < len(answered) / 2
    if passed:
        message = Text(
            "thop is wrong on {blind_count} of these {answers_count} models; this profiler does "
            "not share its mistakes.",
            blind_count=len(blind),
            answers_count=len(answers),
        )
    else:
        message = Text(
            "On {count} models the MACs are exactly thop's, and thop is wrong there: {where}.",
            count=len(same),
            where=join("; ", map(_blind_spot, same)),
        )
    return check(
        "profiler_thop",
        Text("No blind spots of thop"),
        passed,
        message,
        [
            Text("thop knows a list of layers. Count operators as they run: TorchDispatchMode."),
            *FURTHER_HINTS,
        ],
        hidden=exam.hidden,
    )


def _thop_is_wrong(answer: Answer, tolerance: float) -> bool:
    right = answer.case.truth.total("macs")
    return answer.thop_macs is not None and abs(answer.thop_macs - right) > tolerance * right


def _equal(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) <= 1e-6 * max(one, other, 1.0)


def _blind_spot(answer: Answer) -> Text:
    """A family, the relative error of thop on it, and the operators that thop misses."""
    truth, thop = answer.case.truth, answer.thop_macs or 0.0
    error = thop / truth.total("macs") - 1
    missed = missed_operators(truth, thop)
    title = answer.case.family.title
    if missed is None:
        return Text("{title} {percent:+.3g}%", title=title, percent=100 * error)
    return Text(
        "{title} {percent:+.3g}% (misses {missed})",
        title=title,
        percent=100 * error,
        missed=missed,
    )


def _nothing(exam: Exam, why: Text, log: str = "") -> PartFindings:
    worth = exam.settings["profiler"]["points"]
    found = check(
        "profiler_runs",
        Text("The profiler answers"),
        False,
        why,
        [
            Text(
                "profiler.py has to define profile_model(model, example_inputs), which returns the "
                "dict that the template describes."
            ),
            Text(
                "Begin with what needs no counting: parameters and bytes. Each key that is "
                "right earns, even while the others are 0."
            ),
            Text(
                "Call the model as model(*example_inputs) under torch.no_grad(), in eval mode, "
                "and bring back plain numbers: int(...) of a tensor."
            ),
        ],
        max_points=worth,
    )
    return PartFindings(_measurements(0.0, [0.0] * len(HINTS)), [found], log=log)


_MISSING = Text("There is no profiler.py in the submission, so this part counts 0.")

__all__ = ["examine_profiler"]
