"""Grades a firmware for an Arduino UNO: next characters, flash, SRAM and cycles, as measured.

The artefact is the project in `firmware/`. It is compiled by the pinned compiler and run on a
simulated ATmega328P. `model.npz` is the integer model that it implements: the board has to give the
model's answers at all tested positions, and the accuracy of the model on all hidden positions then
counts for the firmware.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grader import data
from grader.board import firmware, integer_network
from grader.board.firmware import Conversation, Questions
from grader.board.integer_network import IntegerNetwork
from grader.data.text.chat import Pair, Position
from grader.intake import Submission
from grader.lesson.contract import Findings, Setup
from grader.lesson.grades import Measurement
from grader.measure.quality import experiments
from grader.similarity import behaviour

from . import checks, estimates, figures, measuring, refused, tradeoffs
from .plain import costs, plain_image

EXPERIMENTS = "experiments.csv"


@dataclass(frozen=True)
class Exam:
    """The test positions, and the measurements of the plain runtime."""

    data_id: str
    baseline: dict[str, Measurement]
    positions: tuple[Position, ...]
    """All positions of the part."""
    questions: Questions
    shown: tuple[Pair, ...]
    """Public queries with their real replies, for the page; never hidden ones."""
    threshold: float
    marked_share: float
    min_experiments: int
    hidden: bool


# Once per batch -----------------------------------------------------------------------------


def prepare(setup: Setup) -> Exam:
    """Load the pairs, choose the test positions, and time the plain runtime."""
    settings, gate = setup.spec.settings, setup.spec.gate
    assert gate is not None  # lesson.toml of this lesson has one, with a threshold
    assert gate.threshold is not None
    hidden = setup.audience == "hidden"
    part: data.Part = "hidden" if hidden else "validation"
    pairs = data.load_pairs(setup.data, part, source=setup.source, seed=setup.seed)
    sizes = settings["hidden" if hidden else "public"]
    rng = np.random.default_rng(int(pairs.fingerprint[:16], 16))
    order = rng.permutation(len(pairs.positions))[: sizes["positions"]]
    public = data.load_pairs(setup.data, "validation", source=setup.source).pairs if hidden else ()
    talks = rng.permutation(len(pairs.pairs))[: sizes["replies"]]
    return Exam(
        data_id=f"{pairs.name}/{part}:{pairs.fingerprint}",
        baseline=_baseline(setup, pairs.positions),
        positions=pairs.positions,
        questions=Questions(
            positions=tuple(pairs.positions[index] for index in order),
            queries=tuple(pairs.pairs[index].query for index in talks),
            max_cycles=settings["cycles"],
            fewest=settings["fewest_positions"],
            cycles_per_line=settings["cycles_per_line"],
            secret=hidden,
        ),
        shown=public[: sizes["replies"]] or tuple(pairs.pairs[index] for index in talks),
        threshold=gate.threshold,
        marked_share=settings["marked_share"],
        min_experiments=settings["min_experiments"],
        hidden=hidden,
    )


def _baseline(setup: Setup, positions: Sequence[Position]) -> dict[str, Measurement]:
    """The unpruned network with 2-bit weights and the template's plain runtime."""
    folder = setup.folder / "baseline"
    network = integer_network.read((folder / f"{setup.data}.npz").read_bytes())
    image, missing = plain_image(network, folder / "firmware")
    chosen = positions[:: max(1, len(positions) // setup.spec.settings["baseline_positions"])]
    return {
        **measuring.quality(network, positions),
        **estimates.estimated(network),
        **costs(image, missing, chosen),
    }


# Once per submission ------------------------------------------------------------------------


def examine(exam: Exam, submission: Submission) -> Findings:
    """Build and run one firmware. Raises Rejected with a sentence for the student."""
    network = refused.network(submission)
    image = refused.image(submission)
    talk = firmware.converse(image, network, exam.questions)
    measurements = {
        **measuring.against(exam.baseline, image, talk),
        **measuring.quality(network, exam.positions),
        **measuring.on_board(image, talk),
        **estimates.estimated(network),
    }
    submitted = submission.has(EXPERIMENTS)
    recorded = experiments.read(
        submission.read(EXPERIMENTS) if submitted else b"",
        ("next_char_accuracy", "flash_bytes", "cycles_per_char"),
    )
    gate = checks.gate(measurements["next_char_accuracy"], exam.threshold)
    return Findings(
        measurements=measurements,
        gate=gate,
        checks=[
            checks.reaches_gate(gate, hidden=exam.hidden),
            checks.markers_enclose(talk, exam.marked_share),
            checks.enough_experiments(recorded, exam.min_experiments, submitted=submitted),
            checks.firmware_recorded(recorded, image),
        ],
        layers=estimates.layers(network),
        figures=[
            *(
                tradeoffs.figure(
                    cost, recorded.experiments, measurements, exam.baseline, exam.threshold
                )
                for cost in tradeoffs.COSTS
            ),
            figures.cycles_by_layer(network, talk),
            figures.what_was_pruned(network),
            figures.flash_map(image),
            figures.sram_map(image, talk),
            figures.replies(exam.shown, _replies(exam, network, talk)),
            figures.confusion(network, exam.positions),
        ],
        log=f"compiler:\n{image.warnings}" if image.warnings else "",
        mistakes=behaviour.of_classes(
            network.classes(exam.positions), [one.next_char for one in exam.positions]
        ),
    )


def _replies(exam: Exam, network: IntegerNetwork, talk: Conversation) -> Sequence[str]:
    """Replies to the queries that are shown: those of the board, or of the integer model where the
    board was asked hidden ones. It was found to equal the model then."""
    return network.replies([pair.query for pair in exam.shown]) if exam.hidden else talk.replies
