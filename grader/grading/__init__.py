"""One submission: intake, run, measure and score; and a student's own check on public data.

`one` grades a submission and `notebook` runs a `submission.ipynb` before that; `check` is what
`grader check` does; `project`, `history` and `hints` keep what a student's folder remembers
between checks (in `.grader/`, which is no part of a submission).
"""

from grader.grading.one import (
    Examination,
    Outcome,
    fault_sentence,
    grade,
    grade_for_class,
    identify,
    prepare,
    provenance,
    ungraded,
)

__all__ = [
    "Examination",
    "Outcome",
    "fault_sentence",
    "grade",
    "grade_for_class",
    "identify",
    "prepare",
    "provenance",
    "ungraded",
]
