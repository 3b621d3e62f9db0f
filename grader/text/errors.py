"""Exit codes, and exceptions with one sentence for a person.

An error is raised where the fact is known and shown once, by the command line or in a report. No
`GraderError` reaches a user as a traceback.
"""

from __future__ import annotations

from enum import IntEnum

from grader.text import Lang, Text


class ExitCode(IntEnum):
    """What a command returns to the shell."""

    OK = 0
    BELOW = 1
    """Everything was judged; something is below the gate, rejected, or failed a check."""
    USAGE = 2
    """Wrong usage or input: an unknown lesson, a missing folder, a damaged file."""
    UNGRADED = 3
    """Something could not be graded: a crash, a timeout, out of memory, a fault of the grader."""


class GraderError(Exception):
    """Base of all errors that are meant for a person; `text` is what the person reads.

    It is given as a Text, or as the message and the values of one.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, message: Text | str = "", /, **values: object) -> None:
        self.text = message if isinstance(message, Text) else Text(message, **values)
        super().__init__(str(self.text))

    def to(self, lang: Lang) -> str:
        return self.text.to(lang)


class UsageError(GraderError):
    """The command was given something that does not exist or does not fit."""


class SpecError(GraderError):
    """A lesson's own files are wrong; the message names the file and the key."""


class DataError(GraderError):
    """A data set is missing or damaged; the message says which file and how to get it."""


class Rejected(GraderError):
    """The submission breaks a rule that is known before anything runs (student's mistake)."""

    exit_code = ExitCode.BELOW


class Fault(GraderError):
    """The grader itself failed; it never costs the student points."""

    exit_code = ExitCode.UNGRADED
