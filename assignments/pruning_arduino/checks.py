"""The gate on accuracy, and the checks that a report lists."""

from __future__ import annotations

from grader import board
from grader.board.firmware import Conversation
from grader.lesson.grades import Check, Gate, Measurement, check
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
    return check(
        "next_char_accuracy_reaches_the_gate",
        Text("It knows what to say"),
        gate.passed,
        Text(
            "Expected {threshold:.0%} of the next characters, found {value:.1%} (95%: {low:.1%} "
            "to {high:.1%}).",
            threshold=gate.threshold,
            value=gate.value,
            low=low,
            high=high,
        ),
        [
            Text("Prune less, train longer after pruning, or distil a larger network."),
            Text(
                "train.py prints the accuracy of three stages: in float32, pruned, and with "
                "few bits. Find the one that loses."
            ),
            Text(
                "Prune layers unevenly: the first holds most of the weights and bears a large "
                "ratio, the last hidden layer feeds the answer and bears little."
            ),
            Text(
                "Prune in two or three rounds and train on after each, instead of all at once; "
                "and give the stage with few bits more epochs."
            ),
            Text(
                "Let a network without pruning and with float weights teach the small one: its "
                "probabilities over characters say more than the one right letter."
            ),
        ],
        hidden=hidden,
    )


def markers_enclose(talk: Conversation, share: float) -> Check:
    """Whether the layer table is complete: `share` of the cycles lies between the markers."""
    total = sum(one.reply.cycles for one in talk.characters)
    marked = sum(one.reply.inference_cycles for one in talk.characters)
    once = all(len(one.reply.inferences) == 1 for one in talk.characters)
    passed = once and marked >= share * total
    return check(
        "markers_enclose_the_work",
        Text("The markers enclose the work"),
        passed,
        Text(
            "Expected one pair of markers a character with at least {share:.0%} of the cycles in "
            "between, found {found:.1%}{pairs}.",
            share=share,
            found=marked / total,
            pairs=EMPTY if once else Text(" and not one pair each"),
        ),
        [
            Text(
                "Write 1 to GPIOR0 before the features and 2 after the class is known. All cycles "
                "are scored, wherever the markers are."
            ),
            Text(
                "One write of 1 before the features of a character and one of 2 after its "
                "class: once a character, not once a layer or once a reply."
            ),
        ],
    )


def enough_experiments(table: experiments.Table, fewest: int, *, submitted: bool) -> Check:
    """Whether `fewest` differently named rows are recorded; `submitted` if there is a table."""
    found = len({one.name for one in table.experiments})
    passed = found >= fewest
    unread = table.problems[:3] if submitted and not passed else []
    why = Text(" ({problems})", problems=join("; ", unread)) if unread else EMPTY
    return check(
        "experiments_are_recorded",
        Text("Experiments are recorded"),
        passed,
        Text(
            "Expected at least {fewest} differently named rows in experiments.csv, found "
            "{found}{why}.",
            fewest=fewest,
            found=found,
            why=why,
        ),
        [
            Text("Run train.py with other ratios and bits and another --name each time."),
            Text(
                "Three settings that teach a lot: every second unit away; the same with 1 bit "
                "in the first layer; the same with levels -1, 0 and 1."
            ),
        ],
    )


def firmware_recorded(table: experiments.Table, image: board.Image) -> Check:
    """Whether a row has the flash that the submitted firmware takes."""
    sizes = [one.values["flash_bytes"] for one in table.experiments]
    near = any(abs(size / image.flash_bytes - 1) <= 0.02 for size in sizes)
    return check(
        "the_submitted_firmware_is_recorded",
        Text("The submitted firmware is recorded"),
        near,
        Text(
            "Expected a row in experiments.csv with {flash_bytes:,} bytes of flash, give or take "
            "2%.",
            flash_bytes=image.flash_bytes,
        ),
        [
            Text("Run train.py once more with a --name for what you submit."),
            Text(
                "The firmware was changed after the last run of train.py: the row is written "
                "from the image it builds. Run it again, or record the size that `grader "
                "check` shows."
            ),
        ],
    )
