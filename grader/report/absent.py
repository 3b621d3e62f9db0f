"""Who of a class handed in nothing, from the batch's record of what was handed in."""

from __future__ import annotations

from pathlib import Path

import msgspec

FILE = "handed_in.json"


class _Student(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _HandedIn(msgspec.Struct, frozen=True):
    """The part of the record that is needed here."""

    students: list[_Student] = []
    missing: list[str] = []
    """Ids of students."""


def absent(out: Path) -> list[str]:
    """Names of those without a submission, in the order of the roster; none without a record."""
    try:
        found = msgspec.json.decode((out / FILE).read_bytes(), type=_HandedIn)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    names = {one.id: one.name or one.id for one in found.students}
    return [names.get(one, one) for one in found.missing]
