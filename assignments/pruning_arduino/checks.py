"""The gate on accuracy, and the checks that a report lists."""

from __future__ import annotations

from grader import board
from grader.board.firmware import Conversation
from grader.lesson.grades import Check, Gate, Measurement
from grader.measure.quality import experiments
from grader.text import EMPTY, Text, join


def gate(accuracy: Measurement, threshold: float) -> Gate:
    """Whether the share of right next characters reaches `threshold`."""
    assert accuracy.interval is not None
    low, high = accuracy.interval
    return Gate(
        metric="next_char_accuracy",
        value=accuracy.value,
        threshold=threshold,
        interval=accuracy.interval,
        passed=accuracy.value >= threshold,
        within_noise=low < threshold < high,
        explanation=Text(
            "Every position of every reply counts, its end included; the reply so far is the "
            "real one."
        ),
    )


def reaches_gate(gate: Gate, *, hidden: bool) -> Check:
    """The gate as a check; `hidden` if it was measured on the hidden part."""
    low, high = gate.interval
    return Check(
        name="next_char_accuracy_reaches_the_gate",
        title=Text("It knows what to say"),
        visibility="hidden" if hidden else "public",
        points=0.0,
        max_points=0.0,
        passed=gate.passed,
        message=Text(
            "Expected {threshold:.0%} of the next characters, found {value:.1%} (95%: {low:.1%} "
            "to {high:.1%}).",
            threshold=gate.threshold,
            value=gate.value,
            low=low,
            high=high,
        ),
        hint=EMPTY
        if gate.passed
        else Text("Prune less, train longer after pruning, or distil a larger network."),
    )


def markers_enclose(talk: Conversation, share: float) -> Check:
    """Whether the layer table is complete: `share` of the cycles lies between the markers."""
    total = sum(one.reply.cycles for one in talk.characters)
    marked = sum(one.reply.inference_cycles for one in talk.characters)
    once = all(len(one.reply.inferences) == 1 for one in talk.characters)
    passed = once and marked >= share * total
    return Check(
        name="markers_enclose_the_work",
        title=Text("The markers enclose the work"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=Text(
            "Expected one pair of markers a character with at least {share:.0%} of the cycles in "
            "between, found {found:.1%}{pairs}.",
            share=share,
            found=marked / total,
            pairs=EMPTY if once else Text(" and not one pair each"),
        ),
        hint=EMPTY
        if passed
        else Text(
            "Write 1 to GPIOR0 before the features and 2 after the class is known. All cycles "
            "are scored, wherever the markers are."
        ),
    )


def enough_experiments(table: experiments.Table, fewest: int, *, submitted: bool) -> Check:
    """Whether `fewest` differently named rows are recorded; `submitted` if there is a table."""
    found = len({one.name for one in table.experiments})
    passed = found >= fewest
    unread = table.problems[:3] if submitted and not passed else []
    why = Text(" ({problems})", problems=join("; ", unread)) if unread else EMPTY
    return Check(
        name="experiments_are_recorded",
        title=Text("Experiments are recorded"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=Text(
            "Expected at least {fewest} differently named rows in experiments.csv, found "
            "{found}{why}.",
            fewest=fewest,
            found=found,
            why=why,
        ),
        hint=EMPTY
        if passed
        else Text("Run train.py with other ratios and bits and another --name each time."),
    )


def firmware_recorded(table: experiments.Table, image: board.Image) -> Check:
    """Whether a row has the flash that the submitted firmware takes."""
    sizes = [one.values["flash_bytes"] for one in table.experiments]
    near = any(abs(size / image.flash_bytes - 1) <= 0.02 for size in sizes)
    return Check(
        name="the_submitted_firmware_is_recorded",
        title=Text("The submitted firmware is recorded"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=near,
        message=Text(
            "Expected a row in experiments.csv with {flash_bytes:,} bytes of flash, give or take "
            "2%.",
            flash_bytes=image.flash_bytes,
        ),
        hint=EMPTY if near else Text("Run train.py once more with a --name for what you submit."),
    )
