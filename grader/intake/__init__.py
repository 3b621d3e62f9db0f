"""From what a student handed in to a Submission: checked, unpacked and hashed, never executed."""

from grader.intake.candidates import (
    Candidate,
    candidates,
    may_be_notebook,
    require_submission,
    submission_name,
)
from grader.intake.listing import SubmittedFile
from grader.intake.members import places
from grader.intake.submissions import Submission, fingerprint, listed, open_submission

__all__ = [
    "Candidate",
    "Submission",
    "SubmittedFile",
    "candidates",
    "fingerprint",
    "listed",
    "may_be_notebook",
    "open_submission",
    "places",
    "require_submission",
    "submission_name",
]
