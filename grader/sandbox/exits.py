"""Exit codes of a child. They choose a sentence and nothing else: a submission can forge them."""

from __future__ import annotations

from enum import IntEnum


class ChildExit(IntEnum):
    LOAD_FAILED = 20
    RUN_FAILED = 21
    BAD_OUTPUT = 22
    OUT_OF_MEMORY = 23
    NO_RUNTIME = 24
    """A library of ours is missing or broken here: nobody's work is at fault."""
    NOT_CONFINED = 25
    """The sandbox could not be closed behind the child, so it ran nothing."""
    BROKEN = 26
    """Our own code failed in the child."""
