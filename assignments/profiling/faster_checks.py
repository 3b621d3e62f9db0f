"""The part about `faster.py`: the slow network's outputs with less work, time and bytes.

`[settings.faster]` of lesson.toml has the tolerance, the number of hidden inputs and how many of
them are timed.
"""

from __future__ import annotations

import math
from collections import Counter

from grader.intake import Submission
from grader.lesson.grades import Axis, Check, Figure, Measurement, Series, check
from grader.measure.costs.graph import GraphReport
from grader.text import Text, verbatim

from . import faster_run
from .exam import Exam, PartFindings
from .faster_run import FasterNetwork, InvalidNetwork

NO_ERROR = 1e6
"""The number in a grade for an infinite error."""


def examine_faster(exam: Exam, submission: Submission) -> PartFindings:
    """Measure the submitted faster.py. Raises Disturbed, Fault."""
    if not submission.has("faster.py"):
        return _nothing(exam, _MISSING)
    try:
        found = faster_run.measure(submission, exam.seed, exam.limits, exam.settings["faster"])
    except InvalidNetwork as why:
        return _nothing(exam, why.text, why.log)
    same = found.error <= exam.settings["faster"]["tolerance"]
    return PartFindings(
        measurements=_measurements(found, same),
        checks=[
            _outputs_check(exam, found.error, same),
            _work_check(found),
            _time_check(found),
            _bytes_check(found),
        ],
        figures=[macs_by_operator(found)],
        layers=list(found.report.layers),
        log=found.log,
    )


def _measurements(found: FasterNetwork, same: bool) -> dict[str, Measurement]:
    ours, slow = found.report, found.slow
    against = Text("slow network / this one")
    counted = Text("counted in the exported ONNX graph")
    return {
        "same_outputs": Measurement(float(same), "", _SAME),
        "largest_error": Measurement(min(found.error, NO_ERROR), "", _ERROR),
        "speedup": Measurement(slow.macs / max(ours.macs, 1), "×", against),
        "compression": Measurement(slow.bytes / max(ours.bytes, 1), "×", against),
        "latency_ratio_b1": Measurement(found.ratio.value, "×", _TIMED, found.ratio.interval),
        "latency_ms_b1": Measurement(
            found.milliseconds.value, "ms", _TIMED, found.milliseconds.interval
        ),
        "macs": Measurement(ours.macs, "", counted),
        "bytes": Measurement(ours.bytes, "B", counted),
        "params": Measurement(ours.params, "", counted),
    }


def _outputs_check(exam: Exam, error: float, same: bool) -> Check:
    allowed, worth = exam.settings["faster"]["tolerance"], exam.settings["faster"]["points"]
    inputs = exam.settings["faster"]["inputs"]
    if math.isfinite(error):
        message = Text(
            "On {inputs} inputs the outputs differ by at most {error:.1e} of the largest, "
            "allowed is {allowed:g}.",
            inputs=inputs,
            error=error,
            allowed=allowed,
        )
    else:
        message = Text("On {inputs} inputs some outputs are not finite numbers.", inputs=inputs)
    return check(
        "faster_same_outputs",
        Text("The same outputs"),
        same,
        message,
        [
            _WRONG_HINT,
            _ONE_CHANGE_HINT,
        ],
        hidden=exam.hidden,
        max_points=worth,
    )


def _work_check(found: FasterNetwork) -> Check:
    ours, slow = found.report.macs, found.slow.macs
    return check(
        "faster_work",
        Text("Fewer multiplications"),
        ours < slow,
        Text(
            "{ours:,} MACs, the slow network has {slow:,}: {ours_max_slow:.2f} times fewer.",
            ours=ours,
            slow=slow,
            ours_max_slow=slow / max(ours, 1),
        ),
        [
            Text(
                "Look for weights that are 0, kernels of low rank (numpy.linalg.svd), layers with "
                "nothing nonlinear between them, and results that are thrown away."
            ),
            Text(
                "Print for every weight of slow.py its shape, its share of zeros and its "
                "singular values: each of them gives a layer away."
            ),
            Text(
                "A matrix whose singular values fall to nothing after r is a product of two "
                "with r columns and r rows; two linear layers in a row are one."
            ),
        ],
    )


def _time_check(found: FasterNetwork) -> Check:
    low, high = found.ratio.interval
    return check(
        "faster_time",
        Text("Less time"),
        low > 1,
        Text(
            "{value:.2f} times as fast as the slow network (95% interval {low:.2f} to "
            "{high:.2f}), one input at a time.",
            value=found.ratio.value,
            low=low,
            high=high,
        ),
        [
            Text(
                "Many small operators cost time without a multiplication: loops over time, copies, "
                "transpositions. `grader profile` shows where it goes."
            ),
            Text(
                "`grader profile` on the exported network lists what its many small operators "
                "cost; a loop over time steps becomes one product over all of them."
            ),
        ],
    )


def _bytes_check(found: FasterNetwork) -> Check:
    ours, slow = found.report.bytes, found.slow.bytes
    return check(
        "faster_bytes",
        Text("Fewer bytes"),
        ours < slow,
        Text(
            "{ours:,} bytes of weights and constants, the slow network has {slow:,}.",
            ours=ours,
            slow=slow,
        ),
        [
            Text(
                "The product of two matrices can be larger than both, or smaller: compare before "
                "you merge, and drop weights that nothing reads."
            ),
            Text(
                "What is stored twice, in float32 without need, or for a layer that is never "
                "used, need not be in the file: list initializers by size."
            ),
        ],
    )


def macs_by_operator(found: FasterNetwork) -> Figure:
    """MACs by operator in both networks."""
    slow, ours = _by_operator(found.slow), _by_operator(found.report)
    rows = sorted({*slow, *ours}, key=lambda op: -max(slow[op], ours[op]))
    return Figure(
        name="faster_macs",
        title=Text("Multiplications, by operator"),
        kind="bars",
        x=Axis(Text("MACs"), "", "log"),
        y=Axis(Text("operator")),
        series=[
            _bars(Text("this network"), "submission", ours, rows),
            _bars(Text("the slow network"), "baseline", slow, rows),
        ],
        rows=[verbatim(op) for op in rows],
    )


def _by_operator(report: GraphReport) -> Counter[str]:
    found: Counter[str] = Counter()
    for layer in report.layers:
        if layer.macs:
            found[layer.op] += layer.macs
    return found


def _bars(label: Text, role: str, macs: Counter[str], rows: list[str]) -> Series:
    shown = [(row, op) for row, op in enumerate(rows) if macs[op]]
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[float(macs[op]) for _, op in shown],
        y=[float(row) for row, _ in shown],
    )


def _nothing(exam: Exam, why: Text, log: str = "") -> PartFindings:
    names = ("same_outputs", "speedup", "compression", "latency_ratio_b1")
    how = Text("no network that runs")
    found = check(
        "faster_same_outputs",
        Text("The same outputs"),
        False,
        why,
        [
            _RUN_HINT,
            _ONE_CHANGE_HINT,
        ],
        max_points=exam.settings["faster"]["points"],
    )
    return PartFindings({name: Measurement(0.0, "", how) for name in names}, [found], log=log)


_SAME = Text("1 when all outputs equal the slow network's within the tolerance")
_ERROR = Text("largest difference of an output / largest output of the slow network")
_TIMED = Text(
    "median time on a core, inputs sent one at a time in turn with the slow network, one thread"
)
_MISSING = Text("There is no faster.py in the submission, so this part counts 0.")
_RUN_HINT = Text(
    "`python export.py` builds and exports faster.py as the grader does; only files of the "
    "submission and installed libraries can be read."
)
_ONE_CHANGE_HINT = Text(
    "Change one thing at a time and run `python export.py` after each: it says by how much outputs "
    "differ."
)
_WRONG_HINT = Text(
    "Undo your changes one at a time and run `python export.py` after each: the first that makes "
    "the difference small again is the wrong one. Mind the borders of the image."
)
