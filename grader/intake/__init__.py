"""From what a student handed in to a Submission: judged, unpacked, hashed; nothing is executed."""

from grader.intake.candidates import (
    Candidate,
    candidates,
    require_submission,
    submission_name,
)
from grader.intake.listing import SubmittedFile
from grader.intake.submissions import Submission, fingerprint, open_submission

__all__ = [
    "Candidate",
    "Submission",
    "SubmittedFile",
    "candidates",
    "fingerprint",
    "open_submission",
    "require_submission",
    "submission_name",
]
