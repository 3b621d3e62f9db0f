"""What was written for an LMS, and who is not in it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Written:
    raw: bytes
    rows: int
    """Students with a grade in it."""
    unmatched: list[str] = field(default_factory=list)
    """Students of the class who are not in it."""
    strangers: list[str] = field(default_factory=list)
    """Rows of the LMS's export whom the class does not know; they stay as they are."""
